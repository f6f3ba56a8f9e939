//! The body all families share: an embedding, blocks, a norm and a head.
//!
//! Shapes in comments: b rows, t computed positions, d width, n scored positions.

use crate::block::Block;
use crate::broken::first_broken;
use crate::config::ModelConfig;
use crate::cpu::instructions;
use crate::feed_forward::{FeedForward, FeedForwardConfig};
use crate::linear::{Input, Linear};
use crate::lora::Adapter;
use crate::naming::Naming;
use crate::norm::RmsNorm;
use crate::parts::Parts;
use crate::pass::{Body, Pass, select};
use crate::random::{Purpose, RandomWeights};
use crate::tape::Tape;
use crate::threads::{all_threads, share_out, threads_for};
use crate::weights::{Source, Weights};
use crate::widened::FEW;
use crate::{
    Attention, Call, Checkpoint, DenoisingModel, HiddenTap, ModelError, ModelSpec, Precision, TrainableModel,
    WeightsChoice,
};
use tch::{Device, Kind, Tensor};

/// A loaded model of any family.
#[derive(Debug)]
pub struct Transformer {
    pub(crate) config: ModelConfig,
    pub(crate) spec: ModelSpec,
    precision: Precision,
    device: Device,
    pub(crate) embed: Tensor,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: RmsNorm,
    pub(crate) head: Linear,
    unused: Vec<String>,
}

// SAFETY: a model is tensors and plain settings. After it is built nothing writes to a tensor of it (adapters are apart, and what
// a pass converts or caches belongs to the pass), and libtorch lets any number of threads read a tensor.
#[allow(unsafe_code)]
unsafe impl Sync for Transformer {}

impl Transformer {
    /// Builds the model `config` describes from the weights of `checkpoint`.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if a tensor is missing or has another shape or type; [`ModelError::Torch`] if memory runs out.
    pub fn load(
        config: &ModelConfig,
        checkpoint: &Checkpoint,
        precision: impl Into<Precision>,
        device: Device,
    ) -> Result<Self, ModelError> {
        let naming = Naming::find(config.weight_names(), &config.names, checkpoint)?;
        Self::build(config, Weights::new(Source::Checkpoint(checkpoint, naming), precision.into(), device))
    }

    /// The model `config` describes with random weights of the sizes a trained model has, for benchmarks.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn random(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        Self::random_stored(config, seed, kind, kind, device)
    }

    /// The same, of weights that are stored in this type.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn random_stored(
        config: &ModelConfig,
        seed: u64,
        stored: Kind,
        precision: impl Into<Precision>,
        device: Device,
    ) -> Result<Self, ModelError> {
        let random = random_weights(config, seed, Purpose::Benchmark);
        Self::build(config, Weights::new(Source::Random(random, stored), precision.into(), device))
    }

    /// The model `config` describes with the weights a training from nothing starts from.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn fresh(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let random = random_weights(config, seed, Purpose::Training);
        Self::build(config, Weights::new(Source::Random(random, kind), kind.into(), device))
    }

    fn build(config: &ModelConfig, weights: Weights<'_>) -> Result<Self, ModelError> {
        let spec = config.spec();
        // What a model decodes that attends by blocks is a block of a few tokens at a time.
        let own_few = config.attention.rule != Attention::Full;
        let parts = Parts::new(&weights, &spec.linears, own_few);
        let embed = parts.table(config.names.embed, [config.vocab, config.width])?;
        let blocks = (0..config.layers()).map(|i| Block::build(config, i, &parts)).collect::<Result<_, _>>()?;
        let norm = parts.norm(config.names.norm, config.width, config.norm_eps)?;
        let head = if config.head.tied {
            Linear { own_few, ..Linear::new(embed.shallow_clone(), None, None) }
        } else {
            parts.linear(config.names.head)?
        };
        let (precision, device, unused) = (weights.precision, weights.device, weights.unused());
        Ok(Self { config: config.clone(), spec, precision, device, embed, blocks, norm, head, unused })
    }

    /// The shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The type it computes in.
    pub fn kind(&self) -> Kind {
        self.precision.compute
    }

    /// How it holds the matrices of its linear layers.
    pub fn weights(&self) -> WeightsChoice {
        self.precision.weights
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Tensors of the checkpoint that no part of the model asked for.
    pub fn unused_tensors(&self) -> &[String] {
        &self.unused
    }

    /// Its linear layers in the order adapters count them, the output layer last.
    pub(crate) fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.blocks.iter().flat_map(Block::linears).chain([&self.head])
    }

    /// The same, to change them for good: experts are multiplied one by one from then on.
    fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.blocks.iter_mut().flat_map(Block::linears_mut).chain([&mut self.head])
    }

    /// Adds the adapter to the weights for good: W <- W + scale * B A, in the type of W, or in f32 where W is widened for
    /// each product.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn merge(&mut self, adapter: &Adapter) -> Result<(), ModelError> {
        let _no_grad = tch::no_grad_guard();
        let kind = self.kind();
        for linear in self.linears_mut() {
            if let Some(pair) = linear.slot.and_then(|slot| adapter.pair(slot)) {
                linear.widen(kind)?;
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
        let (adapter, wanted) = (call.adapter, call.want.len());
        let hidden = self.run(call)?;
        if hidden.size()[0] == 0 {
            return Ok(Tensor::f_empty([0, self.config.vocab as i64], (self.kind(), self.device))?);
        }
        first(self.score(&hidden, adapter)?, wanted)
    }

    fn beside(&self) -> usize {
        let dense = self.blocks.iter().all(|block| matches!(block.feed_forward, FeedForward::Dense(_)));
        if self.device().is_cuda() {
            // A pass over a few positions waits for its kernels to be launched, and for memory.
            return if dense { FEW } else { 0 };
        }
        let own = self.linears().all(|linear| linear.is_own_for_few(self.kind()));
        // Narrower registers compute longer than they wait for memory, and so do any for half the bytes.
        let waits = instructions().are_wide() && self.linears().all(|linear| linear.scale.is_none());
        // More positions are worth more threads, and these decide last digits: unless each is worth all of them.
        let all = all_threads();
        let busy = threads_for(self.config.multiply_adds(1, 1, 1), all) == all;
        if dense && own && waits && busy { FEW } else { 0 }
    }

    fn broken_weight(&self) -> Option<String> {
        let scales = self.linears().filter_map(|linear| {
            let name = self.spec.linears.get(linear.slot?)?.name.clone();
            Some((format!("{name}.weight"), linear.scale.as_ref()?))
        });
        first_broken(self.parameters().into_iter().chain(scales).collect())
    }
}

impl TrainableModel for Transformer {
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let wanted = call.want.len();
        first(self.run(call)?, wanted)
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

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError> {
        let (first, mut pass) = self.start(call)?;
        let upstream = self.blocks_back(&mut pass, inputs, upstream)?;
        if first.requires_grad() {
            first.f_mul(&upstream)?.f_sum(first.kind())?.f_backward()?;
        }
        Ok(())
    }

    fn widens(&self) -> bool {
        self.kind() == Kind::Float && self.linears().any(Linear::is_narrow)
    }

    fn score_back(&self, hidden: &Tensor, adapter: Option<&Adapter>, upstream: &Tensor) -> Result<Tensor, ModelError> {
        let hidden = hidden.f_detach()?.f_set_requires_grad(true)?;
        let adapted = adapter.zip(self.head.slot).is_some_and(|(adapter, slot)| adapter.pair(slot).is_some());
        if adapted || !self.head.is_narrow() {
            let (logits, tape) = Tape::record(|| self.score(&hidden, adapter))?;
            tape.walk_back(&logits, upstream)?;
        } else {
            // The logits need not be made again.
            let normed = self.norm.forward(&hidden)?;
            let scale = if self.config.head.scaled { 1.0 / (self.config.width as f64).sqrt() } else { 1.0 };
            let through = tch::no_grad(|| self.head.back(&upstream.f_mul_scalar(scale)?))?;
            normed.f_mul(&through)?.f_sum(normed.kind())?.f_backward()?;
        }
        Ok(hidden.f_grad()?)
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let y = self.head.forward(&Input::new(&self.norm.forward(hidden)?, adapter))?;
        Ok(if self.config.head.scaled { y.f_div_scalar((self.config.width as f64).sqrt())? } else { y })
    }
}

impl Transformer {
    /// Hidden states [n, d] of the positions wanted, and behind them of positions that only fill the pass up.
    fn run(&self, mut call: Call<'_>) -> Result<Tensor, ModelError> {
        let tap = call.tap.take();
        // Whoever looks at hidden states is shown rows.
        call.pack &= tap.is_none();
        let (x, mut pass) = self.start(call)?;
        self.run_blocks(x, &mut pass, tap)
    }

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
            kind: self.kind(),
            device: self.device,
        };
        let pass = Pass::new(call, &body)?;
        let x = Tensor::f_embedding(&self.embed, &pass.ids, -1, false, false)?.f_to_kind(self.kind())?;
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

    /// d loss / d the first block's input from `upstream` = d loss / d the last one's output, block after block; adds to the
    /// gradients of trainable tensors.
    pub(crate) fn blocks_back(
        &self,
        pass: &mut Pass<'_>,
        inputs: Vec<Tensor>,
        mut upstream: Tensor,
    ) -> Result<Tensor, ModelError> {
        let widens = self.widens();
        for (i, input) in inputs.into_iter().enumerate().rev() {
            let x = input.detach().f_set_requires_grad(true)?;
            if widens {
                let (y, tape) = Tape::record(|| self.block(i, x.shallow_clone(), pass))?;
                tape.walk_back(&y, &upstream)?;
            } else {
                let y = self.block(i, x.shallow_clone(), pass)?;
                y.f_mul(&upstream)?.f_sum(y.kind())?.f_backward()?;
            }
            upstream = x.f_grad()?;
        }
        Ok(upstream)
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

/// The first n rows.
fn first(x: Tensor, n: usize) -> Result<Tensor, ModelError> {
    Ok(if x.size()[0] > n as i64 { x.f_narrow(0, 0, n as i64)? } else { x })
}
