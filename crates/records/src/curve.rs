//! One iteration of a suffix search such as GCG.

use crate::Record;
use serde::{Deserialize, Serialize};

/// The state of a search after an iteration; iteration 0 is its start. A search goes on from its last record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveRecord {
    /// What it is counted under, for example `gcg/30`.
    pub group: String,
    /// The behaviour.
    pub id: String,
    /// Iterations done.
    pub iteration: usize,
    /// Mean cross-entropy of the target's tokens, in nats, under the present suffix.
    #[serde(with = "crate::number::f32")]
    pub loss: f32,
    /// The present suffix.
    pub suffix: Vec<u32>,
    /// The lowest loss so far.
    #[serde(with = "crate::number::f32")]
    pub best_loss: f32,
    /// The suffix that has it.
    pub best_suffix: Vec<u32>,
    /// The same as text.
    pub text: String,
    /// Candidates evaluated in this iteration.
    pub candidates: usize,
}

impl Record for CurveRecord {
    const SCHEMA: &'static str = "curve/1";

    fn key(&self) -> String {
        format!("{}/{}/{}", self.group, self.id, self.iteration)
    }
}
