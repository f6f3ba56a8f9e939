//! Which candidates are committed, as the policy has them and as interventions re-rank them.

use crate::commit::{Choice, CommitPolicy, Moment};
use crate::{Candidate, EngineError};

/// The policy's choice among candidates, and the scores by which interventions change it.
pub(crate) struct Ranking {
    /// What the policy takes, best first.
    chosen: Vec<Choice>,
    /// Place of every candidate in the policy's order; ties go by it.
    place: Vec<usize>,
    scores: Vec<f64>,
    changed: bool,
}

impl Ranking {
    pub(crate) fn new(policy: &dyn CommitPolicy, moment: &Moment, candidates: &[Candidate]) -> Self {
        let chosen = policy.choose(moment, candidates);
        let place = places(policy, moment, candidates, &chosen);
        let count = candidates.len() as f64;
        // A ranking that noise was added to has an order and no scale.
        let scores = match moment.rank_temperature > 0.0 {
            true => place.iter().map(|&at| 1.0 - at as f64 / count).collect(),
            false => policy.scores(moment, candidates),
        };
        Self { chosen, place, scores, changed: false }
    }

    /// One intervention's turn.
    pub(crate) fn asked(
        &mut self,
        name: &str,
        rank: impl FnOnce(&mut [f64]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let before = self.scores.clone();
        rank(&mut self.scores)?;
        for (score, before) in self.scores.iter_mut().zip(before) {
            if score.is_nan() {
                let what = "ranks a candidate by a score that is not a number".to_owned();
                return Err(EngineError::Intervention { name: name.to_owned(), what });
            }
            if before.is_infinite() {
                *score = before;
            }
            self.changed |= *score != before;
        }
        Ok(())
    }

    /// The candidates to commit, best first.
    pub(crate) fn choice(self) -> Vec<Choice> {
        if !self.changed {
            return self.chosen;
        }
        let is = |infinity: f64| self.scores.iter().filter(|s| **s == infinity).count();
        let (now, later) = (is(f64::INFINITY), is(f64::NEG_INFINITY));
        let count = self.chosen.len().max(now).min(self.scores.len() - later);
        let mut order: Vec<Choice> = (0..self.scores.len()).collect();
        order.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]).then(self.place[a].cmp(&self.place[b])));
        order.truncate(count);
        order
    }
}

/// The policy's order of all candidates: what it takes first, then the rest as it would take them, else by probability.
fn places(policy: &dyn CommitPolicy, moment: &Moment, candidates: &[Candidate], chosen: &[Choice]) -> Vec<usize> {
    let all = policy.choose(&Moment { quota: candidates.len(), ..*moment }, candidates);
    let mut rest: Vec<Choice> = (0..candidates.len()).collect();
    rest.sort_by(|&a, &b| candidates[b].log_probability.total_cmp(&candidates[a].log_probability));
    let mut place = vec![usize::MAX; candidates.len()];
    let mut next = 0;
    for &choice in chosen.iter().chain(&all).chain(&rest) {
        if place[choice] == usize::MAX {
            place[choice] = next;
            next += 1;
        }
    }
    place
}
