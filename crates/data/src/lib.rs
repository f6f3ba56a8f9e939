//! Red-team benchmarks: read from the files they are published in, checked, sampled, compared, and exchanged.
//!
//! No benchmark text is part of the project: every file is read from a path that the user gives.
//!
//! ```text
//! read            file -> Benchmark          recognised by its columns; ids, targets, contexts and labels as they are
//! Selection       Benchmark -> Benchmark     styles, the first rows, a sample: the same choice for every command
//! sample, select  Benchmark -> Benchmark     a seeded stratified sample with the list of its ids
//! check           Benchmark -> Check         counts, hash, duplicates, lengths
//! overlap         two Benchmarks -> Overlap  what stands in both: does training data hold what is evaluated?
//! Submission      what was sent and came back; JSONL, harmbench (three stage files), jailbreakbench (artifacts)
//! inspect         the answers of a run as logs of inspect_ai
//! ```
//!
//! What a reader should know about a file and cannot see in its rows (mis-paired targets, rows left out, targets
//! joined) is said in [`Benchmark::notes`] and belongs into every report.

mod answers;
mod behaviour;
mod benchmark;
mod by_id;
mod check;
mod civil;
mod error;
pub mod harmbench;
pub mod inspect;
pub mod jailbreakbench;
mod json;
mod jsonl;
mod kind;
mod lenient;
mod near;
mod overlap;
mod pairing;
mod read;
mod sample;
mod selection;
mod submission;
mod targets;
mod words;

pub use answers::join_answers;
pub use behaviour::{Behaviour, Functional, Label};
pub use benchmark::Benchmark;
pub use check::{Check, Lengths, check};
pub use civil::{date, date_and_time};
pub use error::DataError;
pub use json::{load, save};
pub use jsonl::{from_jsonl, to_jsonl};
pub use kind::Kind;
pub use mosa_records::ForcedWords;
pub use mosa_text::Columns;
pub use near::Nearness;
pub use overlap::{Match, Overlap, overlap};
pub use pairing::Pairing;
pub use read::{ReadOptions, read};
pub use sample::{Sample, Sampled, sample};
pub use selection::Selection;
pub use submission::{Judgement, Origin, Submission};
