//! Log-probability of given tokens at given positions of a canvas.

use crate::error::{not_a_number, option};
use crate::{EngineError, Options};
use mosa_core::{Canvas, Rng, Stream, TokenId};
use mosa_model::{Adapted, Attention, Call, ModelSpec, Row, Slot, waiting};
use tch::{Device, Kind, TchError, Tensor};

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

/// One way an estimator looks at tokens that are to be scored, which are told apart by their number in the list of them:
/// those that stand on the canvas, and those that are masked and read off. Whatever is in neither is masked and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Numbers of the tokens that stand on the canvas.
    pub revealed: Vec<usize>,
    /// Numbers of the tokens that are scored; at least one.
    pub scored: Vec<usize>,
}

impl Estimator {
    /// How the estimator looks at `count` tokens: one pass per view. Everything that scores words on a canvas asks here.
    ///
    /// # Errors
    /// [`EngineError::Option`] if there is nothing to look at.
    pub fn views(self, count: usize) -> Result<Vec<View>, EngineError> {
        if count == 0 {
            return Err(option("tokens", "to score are missing"));
        }
        Ok(match self {
            Self::MeanField => vec![View { revealed: Vec::new(), scored: (0..count).collect() }],
            Self::Chain => (0..count).map(|j| View { revealed: (0..j).collect(), scored: vec![j] }).collect(),
            Self::Elbo { draws: 0, .. } => return Err(option("draws", "must be positive")),
            Self::Elbo { draws, seed, sample } => {
                let first = Rng::at(seed, Stream::Likelihood, 0, sample).below(count);
                let view = |i: usize| {
                    let masked = (first + i * count / draws) % count + 1;
                    let order = Rng::at(seed, Stream::Likelihood, 1 + i as u64, sample).permutation(count);
                    let (scored, revealed) = order.split_at(masked);
                    View { revealed: revealed.to_vec(), scored: scored.to_vec() }
                };
                (0..draws).map(view).collect()
            }
        })
    }
}

impl Estimator {
    /// The same estimator with the masks of another sample; others have no masks to draw.
    pub fn of_sample(self, sample: u64) -> Self {
        match self {
            Self::Elbo { draws, seed, .. } => Self::Elbo { draws, seed, sample },
            other => other,
        }
    }

    /// What ln p of a token scored in this view of `count` tokens counts for in that of all.
    pub(crate) fn weight(self, count: usize, view: &View) -> f64 {
        match self {
            Self::MeanField | Self::Chain => 1.0,
            Self::Elbo { draws, .. } => count as f64 / (view.scored.len() * draws) as f64,
        }
    }
}

/// Canvases per pass where an estimator needs many.
const ROWS: usize = 16;

/// Tokens that are to be scored, and the canvas on which their places are masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    canvas: Vec<TokenId>,
    tokens: Vec<(usize, TokenId)>,
    /// Whom the tokens of the canvas see; none: as the model was trained.
    attention: Option<Attention>,
}

impl Scoring {
    /// `tokens` are pairs of canvas position and token. Everything else on the canvas stays as it is, masks included.
    ///
    /// # Errors
    /// [`EngineError`] if there is nothing to score, a token is unknown, or a position is outside the canvas.
    pub fn new(spec: &ModelSpec, canvas: &Canvas, tokens: &[(usize, TokenId)]) -> Result<Self, EngineError> {
        if tokens.is_empty() {
            return Err(option("tokens", "to score are missing"));
        }
        let mut canvas = canvas.clone();
        for &(position, token) in tokens {
            if token as usize >= spec.vocab {
                let what = format!("to score hold {token}, outside the vocabulary of {}", spec.vocab);
                return Err(option("tokens", what));
            }
            canvas.remask(position)?;
        }
        Ok(Self { canvas: canvas.tokens().to_vec(), tokens: tokens.to_vec(), attention: None })
    }

    /// The same, on a canvas as a decode with `options` sees it.
    pub fn decoded_by(self, options: &Options) -> Self {
        Self { attention: options.schedule.plan().attention(), ..self }
    }

    /// The canvas of a view.
    pub(crate) fn seen(&self, view: &View) -> Vec<TokenId> {
        let mut canvas = self.canvas.clone();
        for &j in &view.revealed {
            let (position, token) = self.tokens[j];
            canvas[position] = token;
        }
        canvas
    }

    /// Runs the model over the views, several of them in a pass, and hands on what it says of each pass.
    ///
    /// # Errors
    /// [`EngineError`] if the model or `read` fails.
    pub fn passes(
        &self,
        subject: Adapted<'_>,
        views: &[View],
        read: &mut dyn FnMut(Scores) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let _no_grad = tch::no_grad_guard();
        for chunk in views.chunks(ROWS) {
            let canvases: Vec<Vec<TokenId>> = chunk.iter().map(|view| self.seen(view)).collect();
            let row = |canvas| Row { attention: self.attention, ..Row::new(canvas) };
            let scored = || chunk.iter().enumerate().flat_map(|(row, v)| v.scored.iter().map(move |&j| (row, j)));
            let want: Vec<Slot> = scored().map(|(row, j)| (row, self.tokens[j].0)).collect();
            let ids = scored().map(|(_, j)| self.tokens[j].1).collect();
            let logits = subject.forward(Call::of(canvases.iter().map(|c| row(c)).collect(), &want))?;
            read(Scores { log_p: logits.f_log_softmax(-1, Kind::Float)?, ids, want })?;
        }
        Ok(())
    }
}

/// What the model says of the scored tokens of a pass, view after view.
pub struct Scores {
    /// ln p of every token of the vocabulary at each scored position, f32: [scored, vocabulary].
    pub log_p: Tensor,
    /// The scored tokens.
    pub ids: Vec<TokenId>,
    want: Vec<Slot>,
}

impl Scores {
    /// ln p of the scored tokens.
    ///
    /// # Errors
    /// [`EngineError::NotANumber`] if one of them is none.
    pub fn of_tokens(&self, subject: Adapted<'_>) -> Result<Vec<f64>, EngineError> {
        let ids: Vec<i64> = self.ids.iter().map(|&t| i64::from(t)).collect();
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(self.log_p.device())?;
        let picked = picked(&self.log_p, &ids)?;
        let flat = waiting(picked.device(), || Vec::<f32>::try_from(picked.f_to_device(Device::Cpu)?))?;
        match flat.iter().position(|p| p.is_nan()) {
            Some(broken) => Err(not_a_number(subject, self.want[broken].1, 0)),
            None => Ok(flat.into_iter().map(f64::from).collect()),
        }
    }
}

/// One column per row of `log_p` [n, vocabulary]: those of the n `ids`. Differentiable.
///
/// # Errors
/// If libtorch fails.
pub fn picked(log_p: &Tensor, ids: &Tensor) -> Result<Tensor, TchError> {
    log_p.f_gather(-1, &ids.f_unsqueeze(-1)?, false)?.f_squeeze_dim(-1)
}

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
    let scoring = Scoring::new(subject.model.spec(), canvas, tokens)?;
    let views = estimator.views(tokens.len())?;
    let mut flat = Vec::new();
    scoring.passes(subject, &views, &mut |scores| {
        flat.extend(scores.of_tokens(subject)?);
        Ok(())
    })?;
    let forwards = views.len();
    if !matches!(estimator, Estimator::Elbo { .. }) {
        return Ok(Likelihood { total: flat.iter().sum(), per_token: flat, forwards });
    }
    let mut flat = flat.into_iter();
    let draw = |view: &View| {
        let sum: f64 = flat.by_ref().take(view.scored.len()).sum();
        sum * tokens.len() as f64 / view.scored.len() as f64
    };
    let total = views.iter().map(draw).sum::<f64>() / views.len() as f64;
    Ok(Likelihood { total, per_token: Vec::new(), forwards })
}
