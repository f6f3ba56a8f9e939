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

    /// exp(-H): 1 over the number of tokens the model wavers between.
    fn scores(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        candidates.iter().map(|c| c.statistic.exp().clamp(0.0, 1.0)).collect()
    }
}
