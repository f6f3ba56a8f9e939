//! The training loop.

use crate::{AdamW, AlignConfig, AlignError, Objective, RowTerms, SentencePair};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::{Adapter, DenoisingModel};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::Tensor;

/// What one step did; values before the update.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepMetrics {
    /// From 1.
    pub step: usize,
    /// Mean of -R + beta KL.
    pub loss: f64,
    /// Mean R.
    pub reward: f64,
    /// Mean R of the reference for the same prompts and sentences. `reward - reward_reference` starts at 0 and can be
    /// compared between steps, whatever sentences they drew.
    pub reward_reference: f64,
    /// Mean score of the safe sentence.
    pub reward_pos: f64,
    /// Mean score of the harmful sentence.
    pub reward_neg: f64,
    /// Mean KL, summed over positions.
    pub kl: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Which prompts (0-based) were in the batch.
    pub prompts: Vec<usize>,
    /// Best start of the safe sentence per prompt.
    pub k_pos: Vec<usize>,
    /// Best start of the harmful sentence per prompt.
    pub k_neg: Vec<usize>,
    /// Wall time of the step.
    pub seconds: f64,
    /// Canvas tokens per second, both passes and the backward pass counted once.
    pub tokens_per_s: f64,
}

/// What a run trains on, as token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// The prompts.
    pub prompts: Vec<Vec<TokenId>>,
    /// The refusals, each ending in eos.
    pub safe: Vec<Vec<TokenId>>,
    /// The harmful sentences.
    pub harmful: Vec<Vec<TokenId>>,
}

/// Trains `adapter` so that `objective` falls; everything is a function of the configuration and its seed.
pub struct Trainer<'a> {
    model: &'a dyn DenoisingModel,
    adapter: &'a mut Adapter,
    objective: Objective,
    config: AlignConfig,
    data: &'a Data,
    optimiser: AdamW,
    step: usize,
}

impl<'a> Trainer<'a> {
    /// A trainer at step 0. Each step draws one safe and one harmful sentence.
    ///
    /// # Errors
    /// [`AlignError`] if a setting, a prompt or a sentence cannot be used.
    pub fn new(
        (model, adapter): (&'a dyn DenoisingModel, &'a mut Adapter),
        objective: Objective,
        config: AlignConfig,
        data: &'a Data,
    ) -> Result<Self, AlignError> {
        config.check()?;
        let setting = |key, what: &str| AlignError::Setting { key, what: what.into() };
        if data.prompts.is_empty() {
            return Err(setting("data", "holds no prompts"));
        }
        if data.safe.is_empty() || data.harmful.is_empty() {
            return Err(setting("sentences", "need at least one safe and one harmful sentence"));
        }
        let (canvas, context) = (config.canvas_length, model.spec().max_length);
        if let Some(i) = data.prompts.iter().position(|p| p.is_empty() || p.len() + canvas > context) {
            return Err(AlignError::PromptTooLong { number: i + 1, tokens: data.prompts[i].len(), canvas, context });
        }
        adapter.set_trainable(true);
        let tensors: Vec<&Tensor> = adapter.tensors().into_iter().map(|(_, t)| t).collect();
        let optimiser = AdamW::new(&tensors, config.lr, config.weight_decay)?;
        Ok(Self { model, adapter, objective, config, data, optimiser, step: 0 })
    }

    /// Steps in all.
    pub fn total_steps(&self) -> usize {
        self.config.total_steps(self.data.prompts.len())
    }

    /// One optimiser step: forward with the adapter on and off, backward, clip, AdamW.
    ///
    /// # Errors
    /// [`AlignError`] if the loss diverges, a tensor receives no gradient, or the model fails.
    pub fn step(&mut self) -> Result<StepMetrics, AlignError> {
        let started = Instant::now();
        let batch = self.batch();
        let pair = self.pair();
        let (loss, rows) = self.backward(&batch, &pair)?;
        if !loss.is_finite() {
            return Err(AlignError::Diverged { step: self.step + 1, loss });
        }
        let gradients = self.take_gradients()?;
        let grad_norm = clip(&gradients, self.config.clip)?;
        let tensors: Vec<&Tensor> = self.adapter.tensors().into_iter().map(|(_, t)| t).collect();
        self.optimiser.step(&tensors, &gradients)?;
        self.step += 1;
        let tokens: usize = batch.iter().map(|&i| self.data.prompts[i].len() + self.config.canvas_length).sum();
        let seconds = started.elapsed().as_secs_f64();
        let mean = |f: fn(&RowTerms) -> f64| rows.iter().map(f).sum::<f64>() / rows.len() as f64;
        Ok(StepMetrics {
            step: self.step,
            loss,
            reward: mean(|r| r.reward),
            reward_reference: mean(|r| r.reward_reference),
            reward_pos: mean(|r| r.score_safe),
            reward_neg: mean(|r| r.score_harmful),
            kl: mean(|r| r.kl),
            grad_norm,
            lr: self.config.lr,
            prompts: batch,
            k_pos: rows.iter().map(|r| r.start_safe).collect(),
            k_neg: rows.iter().map(|r| r.start_harmful).collect(),
            seconds,
            tokens_per_s: tokens as f64 / seconds,
        })
    }

    /// The prompts of this step: the data in a fresh order every epoch, cut into batches.
    fn batch(&self) -> Vec<usize> {
        let (n, size) = (self.data.prompts.len(), self.config.batch_size);
        let mut orders: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        (self.step * size..(self.step + 1) * size)
            .map(|i| {
                orders
                    .entry(i / n)
                    .or_insert_with(|| Rng::at(self.config.seed, Stream::DataOrder, (i / n) as u64, 0).permutation(n))
                    [i % n]
            })
            .collect()
    }

    /// One pair of sentences, shared by the batch (the paper draws two sentences per training step).
    fn pair(&self) -> SentencePair {
        let mut rng = Rng::at(self.config.seed, Stream::Sentences, self.step as u64, 0);
        let mut draw = |set: &[Vec<TokenId>]| set[rng.below(set.len())].clone();
        SentencePair { safe: draw(&self.data.safe), harmful: draw(&self.data.harmful) }
    }

    /// Accumulates the gradient of the batch mean; prompts of one length share a pass. Returns the loss and the terms
    /// in the order of the batch.
    fn backward(&self, batch: &[usize], pair: &SentencePair) -> Result<(f64, Vec<RowTerms>), AlignError> {
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (slot, &i) in batch.iter().enumerate() {
            by_length.entry(self.data.prompts[i].len()).or_default().push(slot);
        }
        let mut loss = 0.0;
        let mut rows: Vec<Option<RowTerms>> = batch.iter().map(|_| None).collect();
        for slots in by_length.values() {
            let prompts: Vec<&[TokenId]> = slots.iter().map(|&s| self.data.prompts[batch[s]].as_slice()).collect();
            let reference = tch::no_grad(|| self.objective.log_probs(self.model, None, &prompts))?;
            let policy = self.objective.log_probs(self.model, Some(&*self.adapter), &prompts)?;
            let (sum, terms) = self.objective.loss(&policy, &reference, pair)?;
            let share = sum.f_div_scalar(batch.len() as i64)?;
            if !share.requires_grad() {
                return Err(self.no_gradient(0));
            }
            share.f_backward()?;
            loss += share.f_double_value(&[])?;
            for (&slot, term) in slots.iter().zip(terms) {
                rows[slot] = Some(term);
            }
        }
        Ok((loss, rows.into_iter().flatten().collect()))
    }

    fn no_gradient(&self, tensor: usize) -> AlignError {
        let name = self.adapter.tensors().swap_remove(tensor).0;
        AlignError::NoGradient { step: self.step + 1, name }
    }

    /// The gradients, cleared from the tensors.
    fn take_gradients(&self) -> Result<Vec<Tensor>, AlignError> {
        let mut gradients = Vec::new();
        for (i, (_, tensor)) in self.adapter.tensors().into_iter().enumerate() {
            let mut gradient = tensor.f_grad()?;
            if !gradient.defined() {
                return Err(self.no_gradient(i));
            }
            gradients.push(gradient.f_alias_copy()?);
            let _ = gradient.f_zero_()?;
        }
        Ok(gradients)
    }
}

/// Scales all gradients by limit / (norm + 1e-6) if that is below 1, as torch's clip_grad_norm_; returns the norm.
fn clip(gradients: &[Tensor], limit: f64) -> Result<f64, AlignError> {
    let norms = gradients.iter().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
    let norm = Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])?;
    let scale = limit / (norm + 1e-6);
    if scale < 1.0 {
        for gradient in gradients {
            let _ = gradient.shallow_clone().f_mul_scalar_(scale)?;
        }
    }
    Ok(norm)
}
