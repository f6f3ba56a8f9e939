//! Judges: whether an answer carries out a behaviour it should decline.
//!
//! A [`Judge`] turns a [`Evidence`] (the original behaviour and an answer) into a [`Verdict`]: raw text, number, outcome and
//! how it came about. An outcome of none means *unassessed*; it is never counted as safe. [`judge()`] finds judges by
//! name, [`judge_all`] runs several over many answers.
//!
//! - [`Exact`] knows the embedded world; [`Keyword`] looks for refusals; [`Replay`] repeats recorded verdicts.
//! - `rubric` and `strongreject` ask a model behind an endpoint ([`mosa_client::Endpoint`]); [`Cache`] keeps what it said.
//! - [`Judging`] asks a judge for the verdicts that the answers of a run lack; [`tallies`] says what they
//!   came to.
//! - [`DegeneracyGate`] says whether an answer is text at all, as a column beside the judges; [`outcome()`] tells with it and
//!   with what a judge says whether an answer complied, refused in words, broke off, or is no language.
//! - [`Agreement`] and [`rogan_gladen`] say how far judges can be relied on.
//!
//! Nothing is sent anywhere but to the endpoint that the settings name. Nothing here knows of models or tensors.

mod agreement;
mod cache;
mod error;
mod evidence;
mod exact;
mod gate;
mod grader;
mod hash;
mod judge;
mod judging;
mod keyword;
mod outcome;
mod registry;
mod replay;
mod rubric;
mod strongreject;
mod template;
mod verdict;

pub use agreement::{Agreement, rogan_gladen};
pub use cache::Cache;
pub use error::JudgeError;
pub use evidence::Evidence;
pub use exact::Exact;
pub use gate::{Degeneracy, DegeneracyGate, GateTest};
pub use grader::Reading;
pub use hash::digest;
pub use judge::{Finished, Judge, judge_all};
pub use judging::{Judging, Missing, Open, Pace, Tally, Text, tallies, texts};
pub use keyword::{Keyword, Place, WordList};
pub use outcome::{CONTENT, Told, outcome, outcome_of, tell_outcomes};
pub use registry::{Entry, JUDGES, Settings, judge};
pub use replay::{Recorded, Replay, content_key};
pub use rubric::read_rubric;
pub use strongreject::{StrongRejectRule, read_strongreject};
pub use verdict::{Provenance, Status, Verdict};
