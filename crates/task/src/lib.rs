//! What a model can do: benchmarks with right answers, or with an expected conduct, as data.
//!
//! A benchmark is a [`Task`]: [`Item`]s with the prompt of each (and the shots before it), what is asked of the model
//! ([`Ask`]: it writes, or it chooses), and how what it [`Said`] is scored. A task decodes nothing, runs nothing and writes nothing:
//! whoever has a model asks it, whoever has a sandbox runs the programs it hands out ([`Scoring::Program`]).

mod ask;
mod error;
mod item;
mod task;
mod world;

pub use ask::{Ask, Choose, Estimate, Generate};
pub use error::TaskError;
pub use item::{Item, Question};
pub use task::{Said, Scoring, Task};
pub use world::WorldTask;
