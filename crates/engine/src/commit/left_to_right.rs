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
}
