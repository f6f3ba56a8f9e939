//! The losses of candidates that are compared position by position.

use super::TokenLoss;
use crate::{Estimator, Scored, ScoredToken};

/// Every token of the target that was not reached adds this much.
const UNREACHED: f64 = 1000.0;
/// Ranks below this are seen by who sees the five most likely tokens.
const SEEN: usize = 5;

/// How candidates are compared.
pub(super) struct Pace {
    pub(super) loss: TokenLoss,
    pub(super) margin: f64,
    /// Target tokens that count, at most.
    pub(super) tokens: usize,
    pub(super) estimator: Estimator,
}

/// What a comparison found.
pub(super) struct Losses {
    /// One per candidate; infinite where it dropped out.
    pub(super) losses: Vec<f64>,
    /// Target tokens reached.
    pub(super) reached: usize,
    /// Queries of the target: see [`super::Pal`].
    pub(super) queries: u64,
}

impl Losses {
    /// The candidate of lowest loss, earliest on ties.
    pub(super) fn best(&self) -> Option<(usize, f64)> {
        let each = self.losses.iter().copied().enumerate();
        each.filter(|(_, loss)| loss.is_finite()).min_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

impl Pace {
    /// Compares candidates by what their scores say of the target.
    pub(super) fn compare(&self, scores: &[Scored]) -> Losses {
        let length = scores.iter().map(|s| s.tokens.len()).min().unwrap_or(0).min(self.tokens);
        let mut losses = vec![0.0; scores.len()];
        let mut live: Vec<usize> = (0..scores.len()).collect();
        let (mut reached, mut positions) = (length, 0);
        for t in 0..length {
            let at = |i: usize| &scores[i].tokens[t];
            positions += live.len() as u64;
            live.iter().for_each(|&i| losses[i] += self.of(at(i)));
            let first: Vec<usize> = live.iter().copied().filter(|&i| at(i).rank == 0).collect();
            if first.is_empty() {
                // Nobody in sight of the token: the step ends one token earlier.
                reached = if live.iter().any(|&i| at(i).rank < SEEN) { t + 1 } else { t };
                break;
            }
            live = first;
        }
        let missing = (length - reached) as f64 * UNREACHED;
        let out = |i: usize, loss: f64| {
            if length > 0 && live.contains(&i) && loss.is_finite() { loss + missing } else { f64::INFINITY }
        };
        let losses = losses.into_iter().enumerate().map(|(i, loss)| out(i, loss)).collect();
        let queries = match self.estimator {
            Estimator::Chain => positions.max(scores.len() as u64),
            Estimator::MeanField => scores.len() as u64,
        };
        Losses { losses, reached, queries }
    }

    fn of(&self, token: &ScoredToken) -> f64 {
        match self.loss {
            TokenLoss::Cw => (token.best_other - token.logprob).max(-self.margin),
            TokenLoss::Ce => -token.logprob,
        }
    }
}
