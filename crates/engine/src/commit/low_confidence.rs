//! Highest probability first.

use super::{Choice, CommitPolicy, Moment, best};
use crate::Candidate;

/// LLaDA's `low_confidence` remasking, Dream's `maskgit_plus`.
///
/// Ranks by log-probability: probabilities that round to 1 still have an order.
#[derive(Clone, Copy, Debug)]
pub struct LowConfidence;

impl CommitPolicy for LowConfidence {
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        match moment.rank_temperature > 0.0 {
            true => best(moment, candidates, Candidate::probability),
            false => best(moment, candidates, |c| c.log_probability),
        }
    }
}
