//! How likely the last tokens of a text are.

use crate::{Model, Runtime, RuntimeError};
use mosa_core::{Canvas, TokenId};
use mosa_engine::{EngineError, Estimator, Options, Scoring};
use tch::{Device, Tensor};

/// A token at the end of a text, with the tokens before it there, and it and those behind it masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TailToken {
    /// ln p of it.
    pub log_p: f64,
    /// The most likely token in its place, and its ln p.
    pub best: (TokenId, f64),
}

/// The last tokens of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// Each of them.
    pub tokens: Vec<TailToken>,
    /// ln p of every token of the vocabulary in the last place, which no pass sees: what would be there for another last token.
    pub last: Vec<f32>,
    mask: TokenId,
}

impl Tail {
    /// The same for a text that ends in another token, if it may and its ln p is a number.
    pub fn ending(&self, token: TokenId) -> Option<Vec<TailToken>> {
        let log_p = self.last.get(token as usize).copied().filter(|p| token != self.mask && !p.is_nan())?;
        let (last, before) = self.tokens.split_last()?;
        Some([before, &[TailToken { log_p: f64::from(log_p), ..*last }]].concat())
    }
}

impl Runtime {
    /// Scores the last `tail` tokens of `ids` from left to right ([`Estimator::Chain`]), a pass each, as a decode by `options`
    /// sees them.
    ///
    /// # Errors
    /// [`RuntimeError`] if there are not as many tokens, they do not fit the model, or it fails.
    pub fn tail(&self, options: &Options, ids: Vec<TokenId>, tail: usize) -> Result<Tail, RuntimeError> {
        let context = self.spec().max_length;
        if tail == 0 || tail >= ids.len() {
            let what =
                format!("the last {tail} of {} tokens cannot be scored: something has to stand before them", ids.len());
            return Err(RuntimeError::Request(what));
        }
        if ids.len() > context {
            let (tokens, behind) = (ids.len() - tail, tail);
            return Err(EngineError::TooLong { id: "the text".into(), tokens, behind, context }.into());
        }
        let options = options.clone();
        self.look(move |model| scored(model, &options, &ids, tail))?
    }
}

fn scored(model: &Model, options: &Options, ids: &[TokenId], tail: usize) -> Result<Tail, RuntimeError> {
    let (subject, start) = (model.subject(), ids.len() - tail);
    let spec = model.weights.spec();
    if let Some(bad) = ids.iter().find(|t| **t as usize >= spec.vocab || **t == spec.mask) {
        let what = format!("token {bad} is the mask token or outside the vocabulary of {}", spec.vocab);
        return Err(RuntimeError::Request(what));
    }
    let canvas = Canvas::new(&ids[..start], tail, spec.mask);
    let tokens: Vec<(usize, TokenId)> = (start..).zip(ids[start..].iter().copied()).collect();
    let scoring = Scoring::new(spec, &canvas, &tokens)?.decoded_by(options);
    let (mut all, mut last) = (Vec::with_capacity(tail), Vec::new());
    scoring.passes(subject, &Estimator::Chain.views(tail)?, &mut |scores| {
        let log_p = scores.of_tokens(subject)?;
        let (best_p, best) = scores.log_p.f_max_dim(-1, false)?;
        let best_p = Vec::<f32>::try_from(on_host(&best_p)?)?;
        let best = Vec::<i64>::try_from(on_host(&best)?)?;
        for ((log_p, best_p), best) in log_p.into_iter().zip(best_p).zip(best) {
            let best = (TokenId::try_from(best).unwrap_or_default(), f64::from(best_p));
            all.push(TailToken { log_p, best });
        }
        if all.len() == tail {
            last = Vec::<f32>::try_from(on_host(&scores.log_p.f_select(0, -1)?)?)?;
        }
        Ok(())
    })?;
    Ok(Tail { tokens: all, last, mask: spec.mask })
}

fn on_host(tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    tensor.f_to_device(Device::Cpu)
}
