//! The losses of candidates that are compared position by position.

use super::settings::TokenLoss;
use crate::ScoredToken;

/// Every token of the target that was not reached adds this much.
pub(super) const UNREACHED: f64 = 1000.0;
/// Ranks below this are seen by who sees the five most likely tokens.
const SEEN: usize = 5;

/// What a token costs.
#[derive(Clone, Copy)]
pub(super) struct Price {
    pub(super) loss: TokenLoss,
    pub(super) margin: f64,
    /// Whether only the five most likely tokens are seen.
    pub(super) top5_only: bool,
}

impl Price {
    fn of(self, token: &ScoredToken) -> f64 {
        let hidden = self.top5_only && token.rank >= SEEN;
        let logprob = if hidden { token.beyond_five } else { token.logprob };
        match self.loss {
            TokenLoss::Cw => (token.best_other - logprob).max(-self.margin),
            TokenLoss::Ce => -logprob,
        }
    }
}

/// Candidates under comparison: at every position those without the token on top drop out, while there are others.
pub(super) struct Race {
    price: Price,
    losses: Vec<f64>,
    live: Vec<usize>,
    reached: usize,
}

/// How a race ended.
pub(super) struct Raced {
    /// The loss of each candidate.
    pub(super) losses: Vec<f64>,
    /// Tokens of the target that were reached.
    pub(super) reached: usize,
}

impl Race {
    /// All candidates at the first position.
    pub(super) fn new(candidates: usize, price: Price) -> Self {
        Self { price, losses: vec![0.0; candidates], live: (0..candidates).collect(), reached: 0 }
    }

    /// Candidates that are still compared.
    pub(super) fn live(&self) -> &[usize] {
        &self.live
    }

    /// Takes what the next position says of every live candidate, in their order. Whether the race goes on.
    pub(super) fn advance(&mut self, tokens: &[&ScoredToken]) -> bool {
        let each = || self.live.iter().copied().zip(tokens);
        for (i, token) in self.live.iter().zip(tokens) {
            self.losses[*i] += self.price.of(token);
        }
        let first: Vec<usize> = each().filter(|(_, token)| token.rank == 0).map(|(i, _)| i).collect();
        if first.is_empty() {
            // Nobody in sight of the token: the race ends one token earlier.
            self.reached += usize::from(tokens.iter().any(|token| token.rank < SEEN));
            return false;
        }
        self.live = first;
        self.reached += 1;
        true
    }

    /// The losses, and how many of the `length` tokens were reached. Who dropped out has none (infinity), nor has
    /// anybody where there was no token to compare.
    pub(super) fn end(self, length: usize) -> Raced {
        let missing = length.saturating_sub(self.reached) as f64 * UNREACHED;
        let loss = |(i, loss): (usize, f64)| {
            let compared = length > 0 && self.live.contains(&i) && loss.is_finite();
            if compared { loss + missing } else { f64::INFINITY }
        };
        Raced { losses: self.losses.iter().copied().enumerate().map(loss).collect(), reached: self.reached }
    }
}
