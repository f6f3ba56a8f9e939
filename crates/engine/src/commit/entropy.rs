//! Lowest entropy first.

use super::{Choice, CommitPolicy, Moment, Statistic, best};
use crate::Candidate;

/// Dream's `entropy`: sum of p ln(p + 1e-10), higher is surer.
#[derive(Clone, Copy, Debug)]
pub struct Entropy;

impl CommitPolicy for Entropy {
    fn statistic(&self) -> Statistic {
        Statistic::NegativeEntropy
    }

    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        best(moment, candidates, |c| c.statistic)
    }
}
