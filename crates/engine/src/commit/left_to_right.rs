//! Leftmost first.

use super::{Choice, CommitPolicy, Moment, best};
use crate::Candidate;

/// The order of an autoregressive model.
#[derive(Clone, Copy, Debug)]
pub struct LeftToRight;

impl CommitPolicy for LeftToRight {
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        best(moment, candidates, |c| -(c.position as f64))
    }

    fn scores(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        (0..candidates.len()).map(|i| 1.0 - i as f64 / candidates.len() as f64).collect()
    }
}
