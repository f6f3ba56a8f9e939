//! What a benchmark is.

use crate::{Ask, Item, TaskError};
use mosa_records::SampleScore;
use serde_json::Value;

/// A benchmark under one protocol.
pub trait Task: Sync {
    /// Its name, as records have it.
    fn name(&self) -> &str;
    /// The protocol it is asked and scored by.
    fn protocol(&self) -> &str;
    /// What makes its numbers other numbers, for the manifest: the task file, hashes of the data, shots.
    fn said(&self) -> Value;
    /// Its items, in order.
    fn items(&self) -> &[Item];
    /// What is asked at every item.
    fn ask(&self) -> &Ask;
    /// Its metrics, the one that counts first; never none.
    fn metrics(&self) -> Vec<String>;
    /// Whether answers are programs, so that a sandbox is needed.
    fn runs_programs(&self) -> bool {
        false
    }
    /// Scores what a model said at an item, once for every metric and in their order.
    ///
    /// # Errors
    /// [`TaskError`] if the item itself cannot be scored.
    fn score(&self, item: &Item, said: &Said) -> Result<Vec<Scoring>, TaskError>;
}

/// What a model said at an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// What it wrote, up to its first end token.
    Text(String),
    /// ln p of every choice.
    Choices(Vec<f64>),
    /// Nothing that can be assessed, and why.
    Nothing(String),
}

/// A score, or what has to be done to get it.
#[derive(Clone, Debug, PartialEq)]
pub enum Scoring {
    /// The score.
    Done(SampleScore),
    /// It is right if this program runs and its check returns.
    Program {
        /// The metric.
        metric: String,
        /// The program: what was found in the answer, with what has to stand before it.
        source: String,
        /// What is run behind it, and has to return.
        check: String,
    },
}
