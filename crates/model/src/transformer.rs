//! The body all families share: an embedding, blocks, a norm and a head.
//!
//! Shapes in comments: b rows, t computed positions, d width, n scored positions.

use crate::block::Block;
use crate::broken::first_broken;
use crate::config::ModelConfig;
use crate::feed_forward::FeedForwardConfig;
use crate::linear::{Input, Linear};
use crate::lora::Adapter;
use crate::naming::Naming;
use crate::norm::RmsNorm;
use crate::parts::Parts;
use crate::pass::{Body, Pass, select};
use crate::random::{Purpose, RandomWeights};
use crate::threads::share_out;
use crate::weights::{Source, Weights};
use crate::{Call, Checkpoint, DenoisingModel, HiddenTap, ModelError, ModelSpec, TrainableModel};
use tch::{Device, Kind, Tensor};

/// A loaded model of any family.
#[derive(Debug)]
pub struct Transformer {
    pub(crate) config: ModelConfig,
    pub(crate) spec: ModelSpec,
    kind: Kind,
    device: Device,
    pub(crate) embed: Tensor,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: RmsNorm,
    pub(crate) head: Linear,
    unused: Vec<String>,
}

impl Transformer {
    /// Builds the model `config` describes from the weights of `checkpoint`.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if a tensor is missing or has another shape or type; [`ModelError::Torch`] if memory runs out.
    pub fn load(config: &ModelConfig, checkpoint: &Checkpoint, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let naming = Naming::find(config.weight_names(), &config.names, checkpoint)?;
        Self::build(config, Weights::new(Source::Checkpoint(checkpoint, naming), kind, device))
    }

    /// The model `config` describes with random weights of the sizes a trained model has, for benchmarks.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn random(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let random = random_weights(config, seed, Purpose::Benchmark);
        Self::build(config, Weights::new(Source::Random(random), kind, device))
    }

    /// The model `config` describes with the weights a training from nothing starts from.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn fresh(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let random = random_weights(config, seed, Purpose::Training);
        Self::build(config, Weights::new(Source::Random(random), kind, device))
    }

    fn build(config: &ModelConfig, weights: Weights<'_>) -> Result<Self, ModelError> {
        let spec = config.spec();
        let parts = Parts::new(&weights, &spec.linears);
        let embed = parts.weight(config.names.embed, &[config.vocab, config.width])?;
        let blocks = (0..config.layers()).map(|i| Block::build(config, i, &parts)).collect::<Result<_, _>>()?;
        let norm = parts.norm(config.names.norm, config.width, config.norm_eps)?;
        let head = if config.head.tied {
            Linear { weight: embed.shallow_clone(), bias: None, slot: None }
        } else {
            parts.linear(config.names.head)?
        };
        let (kind, device, unused) = (weights.kind, weights.device, weights.unused());
        Ok(Self { config: config.clone(), spec, kind, device, embed, blocks, norm, head, unused })
    }

    /// The shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The type it computes in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Tensors of the checkpoint that no part of the model asked for.
    pub fn unused_tensors(&self) -> &[String] {
        &self.unused
    }

    /// Adds the adapter to the weights for good: W <- W + scale * B A, in the type of W.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn merge(&mut self, adapter: &Adapter) -> Result<(), ModelError> {
        let _no_grad = tch::no_grad_guard();
        let linears = self.blocks.iter_mut().flat_map(Block::linears_mut).chain([&mut self.head]);
        for linear in linears {
            if let Some(pair) = linear.slot.and_then(|slot| adapter.pair(slot)) {
                linear.weight = pair.merged(&linear.weight)?;
            }
        }
        Ok(())
    }
}

impl DenoisingModel for Transformer {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let adapter = call.adapter;
        let hidden = self.hidden(call)?;
        if hidden.size()[0] == 0 {
            return Ok(Tensor::f_empty([0, self.config.vocab as i64], (self.kind, self.device))?);
        }
        self.score(&hidden, adapter)
    }

    fn broken_weight(&self) -> Option<String> {
        first_broken(self.parameters())
    }
}

impl TrainableModel for Transformer {
    fn hidden(&self, mut call: Call<'_>) -> Result<Tensor, ModelError> {
        let tap = call.tap.take();
        let (x, mut pass) = self.start(call)?;
        self.run_blocks(x, &mut pass, tap) // [n, d]
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let (mut x, mut pass) = self.start(call)?;
        for i in 0..self.blocks.len() {
            inputs.push(x.shallow_clone());
            x = self.block(i, x, &mut pass)?;
        }
        Ok(x)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, mut upstream: Tensor) -> Result<(), ModelError> {
        let (first, mut pass) = self.start(call)?;
        for (i, input) in inputs.into_iter().enumerate().rev() {
            let x = input.detach().f_set_requires_grad(true)?;
            let y = self.block(i, x.shallow_clone(), &mut pass)?;
            y.f_mul(&upstream)?.f_sum(y.kind())?.f_backward()?;
            upstream = x.f_grad()?;
        }
        if first.requires_grad() {
            first.f_mul(&upstream)?.f_sum(first.kind())?.f_backward()?;
        }
        Ok(())
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let y = self.head.forward(&Input::new(&self.norm.forward(hidden)?, adapter))?;
        Ok(if self.config.head.scaled { y.f_div_scalar((self.config.width as f64).sqrt())? } else { y })
    }
}

impl Transformer {
    /// What every pass begins with: the embedded tokens [b, t, d], and what the blocks share.
    pub(crate) fn start<'a>(&self, call: Call<'a>) -> Result<(Tensor, Pass<'a>), ModelError> {
        if self.device == Device::Cpu {
            share_out(&self.config, &call);
        }
        let body = Body {
            spec: &self.spec,
            rope: &self.config.attention.rope,
            head_dim: self.config.attention.head_dim,
            positions_skip_padding: self.config.positions_skip_padding,
            kind: self.kind,
            device: self.device,
        };
        let pass = Pass::new(call, &body)?;
        let x = Tensor::f_embedding(&self.embed, &pass.ids, -1, false, false)?;
        Ok((x, pass))
    }

    /// All blocks: [b, t, d] -> [n, d]. A tap sees all positions of every block.
    pub(crate) fn run_blocks(
        &self,
        mut x: Tensor,
        pass: &mut Pass<'_>,
        tap: Option<&mut dyn HiddenTap>,
    ) -> Result<Tensor, ModelError> {
        let Some(tap) = tap else {
            for i in 0..self.blocks.len() {
                x = self.block(i, x, pass)?;
            }
            return Ok(x);
        };
        for (i, block) in self.blocks.iter().enumerate() {
            x = tap.tap(i, block.forward(x, pass, None)?)?;
        }
        select(&x, &pass.scored)
    }

    /// Block `i`: [b, t, d] -> [b, t, d]; the last one -> [n, d].
    fn block(&self, i: usize, x: Tensor, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let scored = (i + 1 == self.blocks.len()).then(|| pass.scored.shallow_clone());
        if scored.as_ref().is_some_and(|scored| scored.size() == [0]) {
            return self.blocks[i].fill(&x, pass);
        }
        self.blocks[i].forward(x, pass, scored.as_ref())
    }
}

fn random_weights(config: &ModelConfig, seed: u64, purpose: Purpose) -> RandomWeights {
    let outputs = config.feed_forward.iter().map(FeedForwardConfig::output);
    let residual = outputs.chain([config.attention.names.o]).collect();
    RandomWeights { seed, purpose, mask: config.mask, names: config.names, residual, layers: config.layers() }
}
