//! Each position independently.

use super::{Choice, CommitPolicy, Moment};
use crate::Candidate;
use mosa_core::{Rng, Stream};

/// Dream's `origin`: every masked position is revealed with the schedule's probability (1 in the last step).
#[derive(Clone, Copy, Debug)]
pub struct Origin;

impl CommitPolicy for Origin {
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice> {
        let rng = Rng::at(moment.seed, Stream::Reveal, moment.clock, moment.sample);
        let revealed = |c: &Candidate| rng.lane(c.position as u64).unit() < f64::from(moment.reveal);
        candidates.iter().enumerate().filter(|(_, c)| revealed(c)).map(|(i, _)| i).collect()
    }

    /// Probabilities, those of positions that are revealed above those of the others.
    fn scores(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        let mut scores: Vec<f64> = candidates.iter().map(|c| c.probability() / 2.0).collect();
        self.choose(moment, candidates).into_iter().for_each(|i| scores[i] += 0.5);
        scores
    }
}
