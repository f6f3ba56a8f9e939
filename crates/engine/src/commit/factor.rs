//! Everything within a bar that rises with the rank.

use super::{Choice, CommitPolicy, Moment, ranked};
use crate::Candidate;

/// Fast-dLLM's factor f: sorted by probability, rank r (from 1) is accepted while p_r >= 1 - f / (r + 1); rank 1 always.
#[derive(Clone, Copy, Debug)]
pub struct Factor(pub f64);

impl CommitPolicy for Factor {
    fn choose(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let mut order = ranked(candidates, |c| c.log_probability);
        let within =
            |(rank, i): &(usize, &Choice)| candidates[**i].probability() >= 1.0 - self.0 / (*rank as f64 + 2.0);
        let enough = order.iter().enumerate().take_while(within).count();
        order.truncate(enough.max(1));
        order
    }
}
