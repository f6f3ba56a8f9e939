//! The training loop.

use crate::loss::{Policy, Terms};
use crate::objective::Batch;
use crate::options::Optimiser;
use crate::preference::passes;
use crate::{AdamW, AdamWSettings, AlignConfig, AlignError, Example, Objective, Rule, StepMetrics, Trained};
use mosa_model::synchronise;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::Tensor;

/// Trains what `parameters` names so that the objective's loss falls; everything is a function of the settings and their
/// seed, on the CPU in f32 bit for bit.
pub struct Trainer<'a> {
    policy: Policy<'a>,
    /// Leaves that share their memory with the adapter's or the model's tensors.
    parameters: Vec<(String, Tensor)>,
    objective: &'a dyn Objective,
    config: AlignConfig,
    optimiser: AdamW,
    step: usize,
    /// The version each gradient had when it was cleared. Whatever a pass adds to it makes another one of it.
    cleared: Vec<Option<i64>>,
}

impl<'a> Trainer<'a> {
    /// A trainer at step 0. `parameters` are the trainable tensors of the adapter, or of the model.
    ///
    /// # Errors
    /// [`AlignError`] if a setting cannot be used.
    pub fn new(
        mut policy: Policy<'a>,
        parameters: Vec<(String, &Tensor)>,
        objective: &'a dyn Objective,
        config: AlignConfig,
    ) -> Result<Self, AlignError> {
        config.check()?;
        policy.attention = config.attention(policy.model.spec())?.or(policy.attention);
        let settings = AdamWSettings { betas: config.betas, eps: config.eps, weight_decay: config.weight_decay };
        let rule = |name: &str, t: &Tensor| match config.optimiser {
            Optimiser::Muon if t.dim() == 2 && is_in_block(name) => Rule::Muon,
            _ => Rule::AdamW,
        };
        let tensors: Vec<Trained<'_>> =
            parameters.iter().map(|(name, tensor)| Trained { tensor, rule: rule(name, tensor) }).collect();
        let optimiser = AdamW::new(&tensors, settings)?;
        let parameters: Vec<_> = parameters.into_iter().map(|(name, t)| (name, t.shallow_clone())).collect();
        let cleared = vec![None; parameters.len()];
        Ok(Self { policy, parameters, objective, config, optimiser, step: 0, cleared })
    }

    /// Steps in all.
    pub fn total_steps(&self) -> usize {
        self.config.total_steps(self.objective.prompts())
    }

    /// Steps done.
    pub fn step_number(&self) -> usize {
        self.step
    }

    /// One optimiser step: examples, loss and gradient pass by pass, clip, AdamW.
    ///
    /// # Errors
    /// [`AlignError`] if the loss diverges, a tensor receives no gradient, or the model fails.
    pub fn step(&mut self) -> Result<StepMetrics, AlignError> {
        let started = Instant::now();
        let Batch { examples, rollouts } = self.objective.batch(self.step, &self.policy)?;
        let terms = self.backward(&examples)?;
        let loss = examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum::<f64>();
        let gradients = self.take_gradients()?;
        let grad_norm = clip(&gradients, self.config.clip)?;
        if !(loss.is_finite() && grad_norm.is_finite()) {
            let cause = self.cause(&gradients);
            return Err(AlignError::Diverged { step: self.step + 1, loss, grad_norm, cause });
        }
        let lr = self.config.lr * self.config.schedule.factor(self.step, self.config.warmup_steps, self.total_steps());
        let tensors: Vec<&Tensor> = self.parameters.iter().map(|(_, t)| t).collect();
        self.optimiser.step(&tensors, &gradients, lr)?;
        self.step += 1;
        self.parameters.iter().take(1).for_each(|(_, t)| synchronise(t.device()));
        let seconds = started.elapsed().as_secs_f64();
        let tokens = examples.iter().map(|e| e.canvas.len()).sum::<usize>();
        Ok(StepMetrics {
            step: self.step,
            grad_norm,
            lr,
            seconds,
            tokens_per_s: tokens as f64 / seconds,
            rollouts,
            ..StepMetrics::of(&terms, loss)
        })
    }

    /// Accumulates the gradient over the passes of a step.
    fn backward(&self, examples: &[Example]) -> Result<Vec<Terms>, AlignError> {
        let size = match self.config.micro_batch_size {
            0 => examples.len().max(1),
            n => n,
        };
        let mut terms = Vec::with_capacity(examples.len());
        for pass in passes(examples, size) {
            terms.extend(self.policy.backward(pass)?.ok_or_else(|| self.no_gradient(0))?);
        }
        Ok(terms)
    }

    fn no_gradient(&self, tensor: usize) -> AlignError {
        AlignError::NoGradient { step: self.step + 1, name: self.parameters[tensor].0.clone() }
    }

    /// The gradients, cleared from the tensors.
    fn take_gradients(&mut self) -> Result<Vec<Tensor>, AlignError> {
        let mut gradients = Vec::new();
        for (i, (_, tensor)) in self.parameters.iter().enumerate() {
            let mut gradient = tensor.f_grad()?;
            if !gradient.defined() || self.cleared[i] == Some(gradient.f_internal_version()?) {
                return Err(self.no_gradient(i));
            }
            gradients.push(gradient.f_alias_copy()?);
            let _ = gradient.f_zero_()?;
            self.cleared[i] = Some(gradient.f_internal_version()?);
        }
        Ok(gradients)
    }

    /// Why a step came to no number: weights that hold none, or steps that are too large.
    fn cause(&self, gradients: &[Tensor]) -> String {
        let whole = |t: &Tensor| t.f_isfinite().and_then(|f| f.f_all()).and_then(|all| all.f_int64_value(&[]));
        let broken = |t: &Tensor| whole(t).is_ok_and(|all| all == 0);
        if let Some(name) = self.policy.model.broken_weight() {
            return format!("the weights of the checkpoint hold NaN or infinity, first in {name}; get them again");
        }
        if let Some((name, _)) = self.parameters.iter().find(|(_, t)| broken(t)) {
            return format!("the trained tensor {name} holds NaN or infinity");
        }
        let first = self.parameters.iter().zip(gradients).find(|(_, g)| broken(g)).map(|((name, _), _)| name);
        let first = first.map_or(String::new(), |name| format!("first in the gradient of {name}; "));
        format!("{first}all weights are finite still; lower `lr` (now {}), or use --dtype f32", self.config.lr)
    }

    /// What has to be kept beside the parameters to go on later: the optimiser's moments by name.
    pub fn optimiser_state(&self) -> Vec<(String, &Tensor)> {
        self.optimiser.state(&self.names())
    }

    /// Goes on after `step` steps with the moments [`Trainer::optimiser_state`] gave then. The parameters are the
    /// caller's to restore, before the trainer is made.
    ///
    /// # Errors
    /// [`AlignError::Resume`] if the state does not fit.
    pub fn resume(&mut self, step: usize, moments: &BTreeMap<String, Tensor>) -> Result<(), AlignError> {
        let names = self.names();
        tch::no_grad(|| self.optimiser.restore(&names, step, moments))?;
        self.step = step;
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        self.parameters.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Whether a tensor belongs to a numbered block of the model.
fn is_in_block(name: &str) -> bool {
    name.split('.').any(|part| part.parse::<usize>().is_ok())
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
