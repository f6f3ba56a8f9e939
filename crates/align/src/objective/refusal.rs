//! Refusals that are learned word by word, wherever an answer has to turn.

use super::CanvasIds;
use crate::Linear;
use crate::options::Refusal;
use mosa_core::{Rng, TokenId};

/// weight * mean cross entropy of a safe sentence, with the end tokens behind it, at the first place that a canvas leaves for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub settings: Refusal,
    pub ids: CanvasIds,
}

/// What a refusal asks of a canvas.
#[derive(Clone, Debug, Default)]
pub(super) struct Laid {
    pub terms: Vec<Linear>,
    /// Whether part of the refusal stands on it.
    pub is_partly_written: bool,
}

impl Refused {
    /// Whether the objective has the term.
    pub(super) fn is_wanted(&self) -> bool {
        self.settings.weight > 0.0
    }

    /// The terms of `sentence`, which ends itself, on a response of which part of `answer` is revealed already. Where that
    /// leaves the sentence no place the response is masked again. On a share of the responses part of the refusal, and of
    /// the answer before it, is revealed as well: states that decoding comes through.
    pub(super) fn lay(
        &self,
        response: &mut [TokenId],
        answer: &[TokenId],
        sentence: &[TokenId],
        rng: &mut Rng,
    ) -> Laid {
        if !self.is_wanted() {
            return Laid::default();
        }
        let mut free: Vec<bool> = response.iter().map(|t| *t == self.ids.mask).collect();
        let start = first_place(&free, sentence.len()).unwrap_or_else(|| {
            response.fill(self.ids.mask);
            free.fill(true);
            0
        });
        let behind = start + sentence.len();
        let is_partly_written = rng.unit() < self.settings.partly;
        let masked = if is_partly_written { rng.unit() } else { 1.0 };
        let mut terms = Vec::new();
        for i in (0..response.len()).filter(|&i| free[i]) {
            let refused = i >= start;
            let token = if !refused { answer.get(i) } else { sentence.get(i - start) }.copied().unwrap_or(self.ids.eos);
            if rng.unit() >= masked {
                response[i] = token;
            } else if refused {
                let weight = if i < behind { 1.0 } else { self.settings.eos_weight };
                terms.push(Linear { offset: i, token, weight });
            }
        }
        let total: f64 = terms.iter().map(|t| t.weight).sum();
        terms.retain(|t| t.weight > 0.0);
        let terms = terms.into_iter().map(|t| t.times(-self.settings.weight / total)).collect();
        Laid { terms, is_partly_written }
    }
}

/// The lowest offset at which so many free ones follow each other: 0, or one right behind what stands there.
fn first_place(free: &[bool], tokens: usize) -> Option<usize> {
    let behind = (1..free.len()).filter(|&i| !free[i - 1]);
    std::iter::once(0).chain(behind).find(|&at| free.get(at..at + tokens).is_some_and(|run| run.iter().all(|f| *f)))
}
