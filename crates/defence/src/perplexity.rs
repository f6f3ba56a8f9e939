//! The perplexity filter: requests whose words are too unlikely are declined.

use crate::DefenceError;
use crate::refusal::{REFUSAL, act, request};
use crate::registry::{Opened, Setting, opened, settings_of};
use mosa_core::{Canvas, sample_key};
use mosa_engine::{Estimator, likelihood};
use mosa_runtime::{Acts, Ask, Before, Defence, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Declines what has a perplexity above a threshold (arXiv 2308.14132, 2309.00614). A masked model has no chain of next tokens:
/// the perplexity is exp(-bound / n) with the Monte Carlo bound on ln p of the n tokens of the request alone, without the
/// template around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Perplexity {
    /// Requests above it are declined. There is none that is right for every model: the papers take the highest perplexity of
    /// harmless requests.
    pub threshold: Option<f64>,
    /// Draws of masks, a model call each.
    pub draws: usize,
    /// Seed of the masks.
    pub seed: u64,
    /// What is said instead of an answer.
    pub says: String,
}

impl Default for Perplexity {
    fn default() -> Self {
        Self { threshold: None, draws: 16, seed: 0, says: REFUSAL.into() }
    }
}

impl Perplexity {
    /// Its name.
    pub const NAME: &'static str = "perplexity";

    pub(crate) fn open(_: &Setting<'_>, settings: Value) -> Result<Opened, DefenceError> {
        let filter: Self = settings_of(Self::NAME, settings)?;
        let wrong = |what: &str| Err(DefenceError::Setting { name: Self::NAME, what: what.into() });
        match filter.threshold {
            None => wrong("`threshold` is missing: the perplexity above which a request is declined, of this model"),
            Some(bar) if !(bar.is_finite() && bar > 0.0) => wrong("`threshold` has to be a number above 0"),
            _ if filter.draws == 0 => wrong("`draws` has to be 1 or more"),
            _ => Ok(opened(filter, None)),
        }
    }

    /// The perplexity of words, and the model calls it took; none of words that are no token.
    ///
    /// # Errors
    /// [`RuntimeError`] if the model fails, or the words do not fit it.
    pub fn of(&self, model: &Runtime, words: &str) -> Result<Option<(f64, usize)>, RuntimeError> {
        let tokens = model.text().words(words)?;
        if tokens.is_empty() {
            return Ok(None);
        }
        let n = tokens.len();
        let estimator = Estimator::Elbo { draws: self.draws, seed: self.seed, sample: sample_key(words) };
        let bound = model.look(move |model| {
            let subject = model.subject();
            let canvas = Canvas::new(&[], n, subject.model.spec().mask);
            let scored: Vec<_> = (0..).zip(tokens).collect();
            likelihood(subject, &canvas, &scored, estimator)
        })??;
        Ok(Some(((-bound.total / n as f64).exp(), bound.forwards)))
    }
}

impl Defence for Perplexity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn before(&self, model: &Runtime, ask: &mut Ask, acts: &Acts) -> Result<Before, RuntimeError> {
        let no_words = || RuntimeError::Defence {
            name: Self::NAME.into(),
            what: "weighs the words of a request, and this one is tokens already".into(),
        };
        let words = request(&ask.prompt).ok_or_else(no_words)?;
        let Some((perplexity, forwards)) = self.of(model, &words)? else { return Ok(Before::Go) };
        acts.spent(forwards);
        // What is no number is above every threshold.
        if self.threshold.is_none_or(|bar| perplexity <= bar) {
            return Ok(Before::Go);
        }
        acts.did(act(Self::NAME, "declined the request", Some(perplexity)));
        Ok(Before::Decline(self.says.clone()))
    }
}
