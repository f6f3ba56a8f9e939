//! The training loop.

use crate::loss::{Policy, Terms};
use crate::objective::Batch;
use crate::options::Optimiser;
use crate::preference::{dealt, passes};
use crate::wire::{Wire, fields};
use crate::{AdamW, AdamWSettings, AlignConfig, AlignError, Example, Objective, Rule, StepMetrics, Trained};
use mosa_core::hex;
use mosa_model::synchronise;
use mosa_parallel::{Addends, Alone, Exchange, ParallelError, Team};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::{Device, Tensor};

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
    team: Team<'a>,
}

/// What the shards of a rank contribute to a step.
struct Part {
    /// The terms of its examples, with their numbers.
    terms: Vec<(usize, Terms)>,
    /// Which tensors have a gradient.
    touched: Vec<bool>,
}

fields!(Part: terms, touched);

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
        let team = Team { exchange: &Alone, shards: config.shards() };
        Ok(Self { policy, parameters, objective, config, optimiser, step: 0, cleared, team })
    }

    /// The same as one of several ranks, which have the same policy, objective and settings.
    ///
    /// # Errors
    /// [`AlignError::Ranks`] if there are more ranks than shards.
    pub fn with_ranks(mut self, exchange: &'a dyn Exchange) -> Result<Self, AlignError> {
        self.team.exchange = exchange;
        self.team.check()?;
        Ok(self)
    }

    /// The ranks that train together, and their shards.
    pub fn team(&self) -> Team<'a> {
        self.team
    }

    /// Steps in all.
    pub fn total_steps(&self) -> usize {
        self.config.total_steps(self.objective.prompts())
    }

    /// Steps done.
    pub fn step_number(&self) -> usize {
        self.step
    }

    /// One optimiser step: examples, loss and gradient shard by shard and pass by pass, their sum, clip, AdamW.
    ///
    /// # Errors
    /// [`AlignError`] if the loss diverges, a tensor receives no gradient, the model fails, or a rank is lost.
    pub fn step(&mut self) -> Result<StepMetrics, AlignError> {
        let started = Instant::now();
        let Batch { examples, rollouts } = self.objective.batch(self.step, &self.policy, &self.team)?;
        let (terms, gradients) = self.gradients(&examples)?;
        let loss = examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum::<f64>();
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

    /// The terms of all examples and the gradient of their loss, from the shards of all ranks.
    fn gradients(&mut self, examples: &[Example]) -> Result<(Vec<Terms>, Vec<Tensor>), AlignError> {
        let Team { exchange, .. } = self.team;
        let (own, addends) = self.own_part(examples)?;
        let parts = match exchange.size() {
            1 => vec![own],
            _ => {
                let all = exchange.gather(&own.bytes())?;
                all.iter().map(|bytes| Part::read(bytes)).collect::<Result<Vec<_>, _>>()?
            }
        };
        let untouched =
            (0..self.parameters.len()).find(|i| !parts.iter().any(|part| part.touched.get(*i) == Some(&true)));
        if let Some(tensor) = untouched {
            return Err(self.no_gradient(tensor));
        }
        let mut terms: Vec<(usize, Terms)> = parts.into_iter().flat_map(|part| part.terms).collect();
        terms.sort_by_key(|(number, _)| *number);
        if terms.len() != examples.len() {
            return Err(ParallelError::Garbled("the terms of a step").into());
        }
        let like: Vec<&Tensor> = self.parameters.iter().map(|(_, t)| t).collect();
        Ok((terms.into_iter().map(|(_, terms)| terms).collect(), exchange.sum(&like, addends)?))
    }

    /// The terms and gradients of this rank's shards. A shard that has no example adds nothing.
    fn own_part(&mut self, examples: &[Example]) -> Result<(Part, Addends), AlignError> {
        let (shards, mut addends) = (dealt(examples, self.team.split()), Addends::new(self.team.exchange));
        let mut part = Part { terms: Vec::new(), touched: vec![false; self.parameters.len()] };
        for shard in self.team.own() {
            let numbers = &shards[shard];
            if numbers.is_empty() {
                continue;
            }
            let own: Cow<'_, [Example]> = match numbers.len() == examples.len() {
                true => Cow::Borrowed(examples),
                false => numbers.iter().map(|n| examples[*n].clone()).collect(),
            };
            part.terms.extend(numbers.iter().copied().zip(self.backward(&own)?));
            let mut gradients = Vec::with_capacity(self.parameters.len());
            for (i, gradient) in self.take_gradients()?.into_iter().enumerate() {
                part.touched[i] |= gradient.is_some();
                gradients.push(match gradient {
                    Some(gradient) => gradient,
                    None => self.parameters[i].1.detach().f_zeros_like()?,
                });
            }
            addends.push(gradients)?;
        }
        Ok((part, addends))
    }

    /// Accumulates the gradient over the passes of a shard.
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

    /// The gradients, cleared from the tensors; none of a tensor that took no part.
    fn take_gradients(&mut self) -> Result<Vec<Option<Tensor>>, AlignError> {
        let mut gradients = Vec::new();
        for (i, (_, tensor)) in self.parameters.iter().enumerate() {
            let mut gradient = tensor.f_grad()?;
            if !gradient.defined() || self.cleared[i] == Some(gradient.f_internal_version()?) {
                gradients.push(None);
                continue;
            }
            gradients.push(Some(gradient.f_alias_copy()?));
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

    /// Gives all ranks the step, the parameters and the moments of rank 0.
    ///
    /// # Errors
    /// [`AlignError::Ranks`] if a rank is lost.
    pub fn follow_first(&mut self) -> Result<(), AlignError> {
        let exchange = self.team.exchange;
        if exchange.size() == 1 {
            return Ok(());
        }
        self.step = usize::read(&exchange.broadcast(0, self.step.bytes())?)?;
        self.optimiser.go_on_after(self.step)?;
        let parameters = self.parameters.iter().map(|(_, t)| t.detach());
        let all: Vec<Tensor> =
            parameters.chain(self.optimiser_state().into_iter().map(|(_, t)| t.shallow_clone())).collect();
        Ok(exchange.share(0, &all)?)
    }

    /// Checks that all ranks have the same parameters, bit for bit.
    ///
    /// # Errors
    /// [`AlignError::Ranks`] naming those whose differ from rank 0's, or if a rank is lost.
    pub fn compare_ranks(&self) -> Result<(), AlignError> {
        let exchange = self.team.exchange;
        if exchange.size() == 1 {
            return Ok(());
        }
        let all = exchange.gather(self.fingerprint()?.as_bytes())?;
        let others: Vec<String> = (1..all.len()).filter(|rank| all[*rank] != all[0]).map(|r| r.to_string()).collect();
        if others.is_empty() {
            return Ok(());
        }
        let (step, others) = (self.step, others.join(", "));
        let what = format!(
            "after step {step} the trained tensors of rank {others} are not those of rank 0: their memory, processor or library computes other numbers; go on from the last checkpoint on machines that are alike"
        );
        Err(ParallelError::Differs(what).into())
    }

    /// SHA-256 of all parameters.
    fn fingerprint(&self) -> Result<String, AlignError> {
        let mut hasher = Sha256::new();
        for (_, tensor) in &self.parameters {
            let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let n = tensor.numel();
            let mut bytes = vec![0; n * tensor.kind().elt_size_in_bytes()];
            tensor.f_copy_data_u8(&mut bytes, n)?;
            hasher.update(&bytes);
        }
        Ok(hex(&hasher.finalize()))
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
