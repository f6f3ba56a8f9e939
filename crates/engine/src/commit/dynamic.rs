//! Everything that is probable enough, and never less than the quota.

use super::{Choice, CommitPolicy, Moment, ranked};
use crate::Candidate;

/// SDAR's `low_confidence_dynamic` and LLaDA2's threshold: every position whose token is more probable than this, if these are at
/// least as many as the quota; else the quota's surest.
#[derive(Clone, Copy, Debug)]
pub struct Dynamic(pub f64);

impl CommitPolicy for Dynamic {
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let mut order = ranked(candidates, |c| c.log_probability);
        let enough = order.iter().take_while(|&&i| candidates[i].probability() > self.0).count();
        order.truncate(enough.max(moment.quota));
        order
    }
}
