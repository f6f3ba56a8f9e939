//! Largest gap between the two most likely tokens first.

use super::{Choice, CommitPolicy, Moment, Statistic, best};
use crate::Candidate;

/// Dream's `topk_margin`.
#[derive(Clone, Copy, Debug)]
pub struct Margin;

impl CommitPolicy for Margin {
    fn statistic(&self) -> Statistic {
        Statistic::Margin
    }

    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        best(moment, candidates, |c| c.statistic)
    }

    fn scores(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        candidates.iter().map(|c| c.statistic.clamp(0.0, 1.0)).collect()
    }
}
