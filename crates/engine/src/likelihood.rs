//! Log-probability of given tokens at given positions of a canvas.

use crate::EngineError;
use crate::error::{not_a_number, option};
use mosa_core::{Canvas, Rng, Stream, TokenId};
use mosa_model::{Adapted, Call, Slot};
use tch::{Device, Kind, Tensor};

/// How the joint probability of several tokens is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// One pass with all scored positions masked; the sum of the single log-probabilities. First-step likelihood.
    MeanField,
    /// One pass per token, left to right: token j is scored with the tokens before it revealed.
    Chain,
    /// Monte Carlo bound: a random number k of the n scored tokens is masked, the sum of their log-probabilities is
    /// weighted by n / k; the mean over the draws. Numbers are spread evenly over the draws, as in LLaDA's
    /// get_log_likelihood.
    Elbo {
        /// Draws. Published: 128, or 1 for tasks with one-token answers.
        draws: usize,
        /// Seed of the masks.
        seed: u64,
        /// Sample key.
        sample: u64,
    },
}

/// The result of a scoring call.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood {
    /// ln p of all tokens (for [`Estimator::Elbo`] a lower bound in expectation).
    pub total: f64,
    /// ln p of each token; empty for [`Estimator::Elbo`].
    pub per_token: Vec<f64>,
    /// Model calls.
    pub forwards: usize,
}

/// Rows per pass where an estimator needs many.
const ROWS: usize = 16;

/// Scores `tokens`, pairs of canvas position and token. The scored positions are masked first; everything else on the
/// canvas stays as it is, masks included.
///
/// # Errors
/// [`EngineError`] if there is nothing to score, a position is outside the canvas, or the model fails.
pub fn likelihood(
    subject: Adapted<'_>,
    canvas: &Canvas,
    tokens: &[(usize, TokenId)],
    estimator: Estimator,
) -> Result<Likelihood, EngineError> {
    let _no_grad = tch::no_grad_guard();
    if tokens.is_empty() {
        return Err(option("tokens", "to score are missing"));
    }
    let mut base = canvas.clone();
    for &(position, token) in tokens {
        if token as usize >= subject.model.spec().vocab {
            return Err(option(
                "tokens",
                format!("to score hold {token}, outside the vocabulary of {}", subject.model.spec().vocab),
            ));
        }
        base.remask(position)?;
    }
    let views = views(&base, tokens, estimator)?;
    let mut scores = Vec::with_capacity(views.len());
    for chunk in views.chunks(ROWS) {
        scores.extend(score(subject, chunk)?);
    }
    Ok(match estimator {
        Estimator::MeanField => summed(scores.concat(), 1),
        Estimator::Chain => summed(scores.concat(), scores.len()),
        Estimator::Elbo { .. } => {
            let draws: Vec<f64> =
                scores.iter().map(|s| s.iter().sum::<f64>() * tokens.len() as f64 / s.len() as f64).collect();
            Likelihood {
                total: draws.iter().sum::<f64>() / draws.len() as f64,
                per_token: Vec::new(),
                forwards: draws.len(),
            }
        }
    })
}

fn summed(per_token: Vec<f64>, forwards: usize) -> Likelihood {
    Likelihood { total: per_token.iter().sum(), per_token, forwards }
}

/// A canvas and the tokens to score on it.
struct View {
    canvas: Vec<TokenId>,
    scored: Vec<(usize, TokenId)>,
}

fn views(base: &Canvas, tokens: &[(usize, TokenId)], estimator: Estimator) -> Result<Vec<View>, EngineError> {
    let revealed = |shown: &[(usize, TokenId)]| {
        let mut canvas = base.tokens().to_vec();
        for &(p, t) in shown {
            canvas[p] = t;
        }
        canvas
    };
    Ok(match estimator {
        Estimator::MeanField => vec![View { canvas: revealed(&[]), scored: tokens.to_vec() }],
        Estimator::Chain => {
            (0..tokens.len()).map(|j| View { canvas: revealed(&tokens[..j]), scored: vec![tokens[j]] }).collect()
        }
        Estimator::Elbo { draws: 0, .. } => return Err(option("draws", "must be positive")),
        Estimator::Elbo { draws, seed, sample } => {
            let n = tokens.len();
            let first = Rng::at(seed, Stream::Likelihood, 0, sample).below(n);
            (0..draws)
                .map(|i| {
                    let masked = (first + i * n / draws) % n + 1;
                    let order = Rng::at(seed, Stream::Likelihood, 1 + i as u64, sample).permutation(n);
                    let (hidden, shown) = order.split_at(masked);
                    let pick = |indices: &[usize]| indices.iter().map(|&j| tokens[j]).collect::<Vec<_>>();
                    View { canvas: revealed(&pick(shown)), scored: pick(hidden) }
                })
                .collect()
        }
    })
}

/// ln p of the scored tokens of each view, f32 log-softmax, in one pass.
fn score(subject: Adapted<'_>, views: &[View]) -> Result<Vec<Vec<f64>>, EngineError> {
    let rows: Vec<&[TokenId]> = views.iter().map(|v| v.canvas.as_slice()).collect();
    let want: Vec<Slot> =
        views.iter().enumerate().flat_map(|(i, v)| v.scored.iter().map(move |&(p, _)| (i, p))).collect();
    let ids: Vec<i64> = views.iter().flat_map(|v| v.scored.iter().map(|&(_, t)| i64::from(t))).collect();
    let logits = subject.forward(Call::new(&rows, &want))?;
    let index = Tensor::f_from_slice(&ids)?.f_unsqueeze(-1)?.f_to_device(logits.device())?;
    let picked = logits.f_log_softmax(-1, Kind::Float)?.f_gather(-1, &index, false)?.f_squeeze_dim(-1)?;
    let flat = Vec::<f32>::try_from(picked.f_to_device(Device::Cpu)?)?;
    if let Some(broken) = flat.iter().position(|p| p.is_nan()) {
        return Err(not_a_number(subject, want[broken].1, 0));
    }
    let mut flat = flat.into_iter().map(f64::from);
    Ok(views.iter().map(|v| flat.by_ref().take(v.scored.len()).collect()).collect())
}
