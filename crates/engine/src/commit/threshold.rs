//! Everything that is probable enough.

use super::{Choice, CommitPolicy, Moment, ranked};
use crate::Candidate;

/// Fast-dLLM's threshold: every position whose token is at least this probable, and the best one in any case.
#[derive(Clone, Copy, Debug)]
pub struct Threshold(pub f64);

impl CommitPolicy for Threshold {
    fn choose(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let mut order = ranked(candidates, |c| c.log_probability);
        let enough = order.iter().take_while(|&&i| candidates[i].probability() >= self.0).count();
        order.truncate(enough.max(1));
        order
    }
}
