//! As many as the sum of their entropies allows.

use super::{Choice, CommitPolicy, Moment, Statistic, ranked};
use crate::Candidate;

/// `entropy_bounded` (SDAR's name; the rule is JetEngine's, the idea EB-Sampler's, arXiv 2505.24857): lowest entropies first, while
/// their running sum in nats stays below this, and the lowest in any case.
#[derive(Clone, Copy, Debug)]
pub struct EntropyBounded(pub f64);

impl CommitPolicy for EntropyBounded {
    fn statistic(&self) -> Statistic {
        Statistic::NegativeEntropy
    }

    fn choose(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let mut order = ranked(candidates, |c| c.statistic);
        let mut sum = 0.0;
        let within = order.iter().take_while(|&&i| {
            sum -= candidates[i].statistic;
            sum < self.0
        });
        let within = within.count();
        order.truncate(within.max(1));
        order
    }

    /// exp(-H): 1 over the number of tokens the model wavers between.
    fn scores(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        candidates.iter().map(|c| c.statistic.exp().clamp(0.0, 1.0)).collect()
    }
}
