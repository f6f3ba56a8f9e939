//! The MOSA objective (and Initial Alignment, which is the same with one fixed start).

use crate::reward::best_start;
use crate::{AlignConfig, AlignError, Reduction};
use mosa_core::{Placement, TokenId, Window};
use mosa_model::{Adapter, Call, DenoisingModel, Slot};
use tch::{Kind, Tensor};

/// The two sentences of a training step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentencePair {
    /// The refusal; its last token is eos, which cuts the answer short.
    pub safe: Vec<TokenId>,
    /// The harmful sentence, without eos.
    pub harmful: Vec<TokenId>,
}

/// R and KL of one prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct RowTerms {
    /// Score of the safe sentence.
    pub score_safe: f64,
    /// Where it stands best.
    pub start_safe: usize,
    /// Scores of all its starts.
    pub all_safe: Vec<f64>,
    /// Score of the harmful sentence.
    pub score_harmful: f64,
    /// Where it stands best.
    pub start_harmful: usize,
    /// Scores of all its starts.
    pub all_harmful: Vec<f64>,
    /// score_safe - score_harmful.
    pub reward: f64,
    /// The reward of the reference for the same prompt and sentences: R depends on the pair that was drawn, the
    /// difference to it does not.
    pub reward_reference: f64,
    /// Exact KL(policy || reference), summed over the response positions.
    pub kl: f64,
}

/// loss = -R + beta KL on a fully masked response.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The window of the reward.
    pub window: Window,
    /// Where sentences may start.
    pub placement: Placement,
    /// Sum or mean over a sentence.
    pub reduction: Reduction,
    /// Weight of the KL term.
    pub beta: f64,
    /// Response positions.
    pub canvas_length: usize,
}

impl Objective {
    /// The objective of that name: `mosa`, or `initial` with every sentence at offset 0.
    pub fn by_name(name: &str, config: &AlignConfig) -> Option<Self> {
        let placement = match name {
            "mosa" => config.placement.placement(),
            "initial" => Placement::Fixed(0),
            _ => return None,
        };
        let AlignConfig { reduction, beta, canvas_length, .. } = *config;
        Some(Self { window: config.window(), placement, reduction, beta, canvas_length })
    }

    /// Refuses a pair that does not fit the window or the canvas.
    ///
    /// # Errors
    /// [`AlignError::Window`].
    pub fn check(&self, pair: &SentencePair) -> Result<(), AlignError> {
        for sentence in [&pair.safe, &pair.harmful] {
            self.window.starts(self.placement, sentence.len(), self.canvas_length)?;
        }
        Ok(())
    }

    /// log_softmax in f32 of the response rows of `prompts` followed by masks: [prompts, canvas_length, vocabulary].
    /// All prompts must have the same length; nothing is padded.
    ///
    /// # Errors
    /// [`AlignError::Model`] if the model fails.
    pub fn log_probs(
        &self,
        model: &dyn DenoisingModel,
        adapter: Option<&Adapter>,
        prompts: &[&[TokenId]],
    ) -> Result<Tensor, AlignError> {
        let mask = model.spec().mask;
        let canvases: Vec<Vec<TokenId>> = prompts
            .iter()
            .map(|p| p.iter().copied().chain(std::iter::repeat_n(mask, self.canvas_length)).collect())
            .collect();
        let rows: Vec<&[TokenId]> = canvases.iter().map(Vec::as_slice).collect();
        let want: Vec<Slot> = prompts
            .iter()
            .enumerate()
            .flat_map(|(i, p)| (p.len()..p.len() + self.canvas_length).map(move |at| (i, at)))
            .collect();
        let logits = model.forward(Call::new(&rows, &want).with_adapter(adapter))?;
        let vocab = logits.size()[1];
        let log_probs = logits.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?;
        Ok(log_probs.f_view([prompts.len() as i64, self.canvas_length as i64, vocab])?)
    }

    /// Sum over prompts of -R + beta KL (differentiable), and the terms of each prompt.
    /// policy, reference [prompts, canvas_length, vocabulary].
    ///
    /// # Errors
    /// [`AlignError`] if a sentence does not fit or libtorch fails.
    pub fn loss(
        &self,
        policy: &Tensor,
        reference: &Tensor,
        pair: &SentencePair,
    ) -> Result<(Tensor, Vec<RowTerms>), AlignError> {
        let starts = |s: &[TokenId]| self.window.starts(self.placement, s.len(), self.canvas_length);
        let (safe_starts, harmful_starts) = (starts(&pair.safe)?, starts(&pair.harmful)?);
        let mut total: Option<Tensor> = None;
        let mut rows = Vec::new();
        for i in 0..policy.size()[0] {
            let (lp, lr) = (policy.f_select(0, i)?, reference.f_select(0, i)?); // [length, vocabulary]
            let safe = best_start(&lp, &pair.safe, safe_starts.clone(), self.reduction)?;
            let harmful = best_start(&lp, &pair.harmful, harmful_starts.clone(), self.reduction)?;
            let reward_reference = tch::no_grad(|| -> Result<f64, AlignError> {
                let safe = best_start(&lr, &pair.safe, safe_starts.clone(), self.reduction)?;
                let harmful = best_start(&lr, &pair.harmful, harmful_starts.clone(), self.reduction)?;
                Ok(safe.score.f_sub(&harmful.score)?.f_double_value(&[])?)
            })?;
            let kl = lp.f_exp()?.f_mul(&lp.f_sub(&lr)?)?.f_sum(Kind::Float)?;
            let reward = safe.score.f_sub(&harmful.score)?;
            let loss = kl.f_mul_scalar(self.beta)?.f_sub(&reward)?;
            rows.push(RowTerms {
                score_safe: safe.score.f_double_value(&[])?,
                start_safe: safe.start,
                all_safe: safe.all,
                score_harmful: harmful.score.f_double_value(&[])?,
                start_harmful: harmful.start,
                all_harmful: harmful.all,
                reward: reward.f_double_value(&[])?,
                reward_reference,
                kl: kl.f_double_value(&[])?,
            });
            total = Some(match total {
                Some(t) => t.f_add(&loss)?,
                None => loss,
            });
        }
        let total = total.ok_or(AlignError::Setting { key: "batch_size", what: "must be positive".into() })?;
        Ok((total, rows))
    }
}
