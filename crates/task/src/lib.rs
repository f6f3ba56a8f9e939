//! What a model can do: benchmarks with right answers, or with an expected conduct, as data.
//!
//! A benchmark is a [`Task`]: [`Item`]s with the prompt of each (and the shots before it), what is asked of the model
//! ([`Ask`]: it writes, or it chooses), and how what it [`Said`] is scored. A task decodes nothing, runs nothing and writes nothing:
//! whoever has a model asks it, whoever has a sandbox runs the programs it hands out ([`Scoring::Program`]).
//!
//! The next benchmark is a TOML file and no code. A [`TaskFile`] says where the rows are, how they are asked with how many
//! shots, how an answer is read and scored; with a folder of data and a [`Choice`] of items it becomes a [`FileTask`]. The
//! [`built_ins`] are such files too, one for every protocol that published numbers follow. What can be wrong with a task file
//! or with data is said when they are read, with file, line and fix, and not when an answer is there.

mod ask;
mod built_in;
mod choice;
mod conduct;
mod data;
mod error;
mod extract;
mod file_task;
mod item;
mod metric;
mod plan;
mod python_random;
mod scorers;
mod shots;
mod source;
mod spec;
mod task;
mod task_file;
mod templates;
mod world;

pub use ask::{Ask, Choose, Estimate, Generate};
pub use built_in::{BuiltIn, built_ins};
pub use choice::Choice;
pub use error::TaskError;
pub use file_task::FileTask;
pub use item::{Item, Question};
pub use task::{Said, Scoring, Task};
pub use task_file::TaskFile;
pub use world::WorldTask;
