//! Random order.

use super::{Choice, CommitPolicy, Moment, best};
use crate::Candidate;
use mosa_core::{Rng, Stream};

/// LLaDA's `random` remasking: every position draws a uniform score.
#[derive(Clone, Copy, Debug)]
pub struct Random;

impl CommitPolicy for Random {
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let rng = Rng::at(moment.seed, Stream::Remask, moment.clock, moment.sample);
        best(moment, candidates, |c| rng.lane(c.position as u64).unit())
    }

    fn scores(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        let rng = Rng::at(moment.seed, Stream::Remask, moment.clock, moment.sample);
        candidates.iter().map(|c| rng.lane(c.position as u64).unit()).collect()
    }
}
