//! The body all families share: pre-norm blocks of bidirectional attention and SwiGLU.
//!
//! Shapes in comments: b rows, t computed positions, d width, h query heads, n scored positions, v vocabulary.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::linear::Linear;
use crate::lora::{Adapter, LoraPair};
use crate::naming::Naming;
use crate::parameters::first_broken;
use crate::random::{Purpose, RandomWeights};
use crate::rope::Rotation;
use crate::threads::share_out;
use crate::weights::{Source, Weights};
use crate::{
    Attention, Call, Checkpoint, DenoisingModel, HiddenTap, KvCache, LinearSpec, ModelError, ModelSpec, TrainableModel,
};
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
    pub(crate) norm: Tensor,
    pub(crate) head: Linear,
    unused: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub attention_norm: Tensor,
    pub mlp_norm: Tensor,
    /// In the order of [`Slot`].
    pub linears: [Linear; 7],
}

/// The linear layers of a block, in the order an adapter counts them.
#[derive(Clone, Copy)]
enum Slot {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
}

/// What all blocks of a pass share.
pub(crate) struct Pass<'a> {
    rotation: Rotation,
    bias: Option<Tensor>,
    adapter: Option<&'a Adapter>,
    batch: Batch,
    caches: Vec<Option<&'a mut KvCache>>,
}

impl Transformer {
    /// Builds the model `config` describes from the weights of `checkpoint`.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if a tensor is missing or has another shape or type; [`ModelError::Torch`] if memory runs out.
    pub fn load(config: &ModelConfig, checkpoint: &Checkpoint, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let naming = Naming::find(config, checkpoint)?;
        Self::build(config, Weights::new(Source::Checkpoint(checkpoint, naming), kind, device))
    }

    /// The model `config` describes with random weights of the sizes a trained model has, for benchmarks.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn random(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let random = RandomWeights::new(config, seed, Purpose::Benchmark);
        Self::build(config, Weights::new(Source::Random(random), kind, device))
    }

    /// The model `config` describes with the weights a training from nothing starts from.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn fresh(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let random = RandomWeights::new(config, seed, Purpose::Training);
        Self::build(config, Weights::new(Source::Random(random), kind, device))
    }

    fn build(config: &ModelConfig, weights: Weights<'_>) -> Result<Self, ModelError> {
        let names = &config.names;
        let linears = linear_specs(config);
        let linear = |spec: &LinearSpec, bias: bool| -> Result<Linear, ModelError> {
            let weight = weights.get(&format!("{}.weight", spec.name), &[spec.outputs, spec.inputs])?;
            let bias = if bias { Some(weights.get(&format!("{}.bias", spec.name), &[spec.outputs])?) } else { None };
            Ok(Linear { weight, bias })
        };
        let embed = weights.get(&format!("{}.weight", names.embed), &[config.vocab, config.width])?;
        let mut blocks = Vec::new();
        for (i, specs) in linears.chunks_exact(7).enumerate() {
            let norm = |leaf: &str| weights.get(&format!("{}.{i}.{leaf}.weight", names.blocks), &[config.width]);
            let mut loaded = Vec::with_capacity(7);
            for (slot, spec) in specs.iter().enumerate() {
                let bias = if slot <= Slot::V as usize { config.qkv_bias } else { config.linear_bias };
                loaded.push(linear(spec, bias)?);
            }
            let linears = loaded.try_into().map_err(|_| ModelError::Call("a block has seven linear layers".into()))?;
            blocks.push(Block {
                attention_norm: norm(names.attention_norm)?,
                mlp_norm: norm(names.mlp_norm)?,
                linears,
            });
        }
        let norm = weights.get(&format!("{}.weight", names.norm), &[config.width])?;
        let head = if config.tied_head {
            Linear { weight: embed.shallow_clone(), bias: None }
        } else {
            linear(&linears[linears.len() - 1], config.linear_bias)?
        };
        let spec = spec_of(config, linears);
        let unused = weights.unused();
        Ok(Self {
            config: config.clone(),
            spec,
            kind: weights.kind,
            device: weights.device,
            embed,
            blocks,
            norm,
            head,
            unused,
        })
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
        for (index, pair) in adapter.pairs() {
            let linear = match self.blocks.get_mut(index / 7) {
                Some(block) => &mut block.linears[index % 7],
                None => &mut self.head,
            };
            linear.weight = pair.merged(&linear.weight)?;
        }
        Ok(())
    }

    /// The mixed values of block `i` before the output projection: x [b, t, d] -> [b, t, h * head channels].
    fn attention(&self, i: usize, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let (c, block) = (&self.config, &self.blocks[i]);
        let (b, t) = (x.size()[0], x.size()[1]);
        let h = rms_norm(x, &block.attention_norm, c.norm_eps)?;
        let heads = |slot: Slot, n: usize| -> Result<Tensor, ModelError> {
            Ok(self.linear(i, slot, &h, pass.adapter)?.f_view([b, t, n as i64, c.head_dim as i64])?)
        };
        let q = pass.rotation.apply(&heads(Slot::Q, c.heads)?)?;
        let k = pass.rotation.apply(&heads(Slot::K, c.kv_heads)?)?;
        let v = heads(Slot::V, c.kv_heads)?;
        let [k, v] = pass.batch.gather(i, &mut pass.caches, [k, v])?;
        let (k, v) = (self.shared_heads(&k)?, self.shared_heads(&v)?);
        let q = q.f_transpose(1, 2)?;
        let y = Tensor::f_scaled_dot_product_attention(&q, &k, &v, pass.bias.as_ref(), 0.0, false, None, false)?;
        Ok(y.f_transpose(1, 2)?.f_reshape([b, t, (c.heads * c.head_dim) as i64])?)
    }

    /// [b, t, kv heads, channels] -> [b, h, t, channels]: each kv head serves h / kv heads neighbouring query heads.
    fn shared_heads(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = x.f_transpose(1, 2)?;
        let (kv, group) = (self.config.kv_heads as i64, (self.config.heads / self.config.kv_heads) as i64);
        if group == 1 {
            return Ok(x);
        }
        let (b, t, d) = (x.size()[0], x.size()[2], x.size()[3]);
        Ok(x.f_unsqueeze(2)?.f_expand([b, kv, group, t, d], false)?.f_reshape([b, kv * group, t, d])?)
    }

    /// down(silu(gate(x)) * up(x)).
    fn mlp(&self, i: usize, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let h = rms_norm(x, &self.blocks[i].mlp_norm, self.config.norm_eps)?;
        let gate = self.linear(i, Slot::Gate, &h, adapter)?.f_silu()?;
        let up = self.linear(i, Slot::Up, &h, adapter)?;
        self.linear(i, Slot::Down, &gate.f_mul(&up)?, adapter)
    }

    fn linear(&self, block: usize, slot: Slot, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        self.blocks[block].linears[slot as usize].forward(x, lora(adapter, block * 7 + slot as usize))
    }
}

impl DenoisingModel for Transformer {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let adapter = call.adapter;
        self.score(&self.hidden(call)?, adapter)
    }

    fn broken_weight(&self) -> Option<String> {
        first_broken(self.parameters())
    }
}

impl TrainableModel for Transformer {
    fn hidden(&self, mut call: Call<'_>) -> Result<Tensor, ModelError> {
        let tap = call.tap.take();
        let (x, scored, mut pass) = self.start(call)?;
        self.run_blocks(x, &scored, &mut pass, tap) // [n, d]
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let (mut x, scored, mut pass) = self.start(call)?;
        for i in 0..self.blocks.len() {
            inputs.push(x.shallow_clone());
            x = self.block(i, x, &mut pass, self.is_last(i).then_some(&scored))?;
        }
        Ok(x)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, mut upstream: Tensor) -> Result<(), ModelError> {
        let (first, scored, mut pass) = self.start(call)?;
        for (i, input) in inputs.into_iter().enumerate().rev() {
            let x = input.detach().f_set_requires_grad(true)?;
            let y = self.block(i, x.shallow_clone(), &mut pass, self.is_last(i).then_some(&scored))?;
            y.f_mul(&upstream)?.f_sum(y.kind())?.f_backward()?;
            upstream = x.f_grad()?;
        }
        if first.requires_grad() {
            first.f_mul(&upstream)?.f_sum(first.kind())?.f_backward()?;
        }
        Ok(())
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let x = rms_norm(hidden, &self.norm, self.config.norm_eps)?;
        let y = self.head.forward(&x, lora(adapter, self.config.layers * 7))?;
        Ok(if self.config.scaled_logits { y.f_div_scalar((self.config.width as f64).sqrt())? } else { y })
    }
}

impl Transformer {
    /// What every pass begins with: the embedded tokens [b, t, d], which flattened positions are scored, and what the
    /// blocks share.
    pub(crate) fn start<'a>(&self, call: Call<'a>) -> Result<(Tensor, Tensor, Pass<'a>), ModelError> {
        if self.device == Device::Cpu {
            share_out(&self.config, &call);
        }
        let batch = Batch::new(&call, &self.spec, self.device)?;
        let scored = batch.scored(call.want, self.config.shifted)?;
        let Call { adapter, rows, .. } = call;
        let caches = rows.into_iter().map(|row| row.cache).collect();
        if let Some(adapter) = adapter {
            adapter.check_fits(&self.spec)?;
        }
        let positions = batch.positions(self.config.positions_skip_padding)?;
        let rotation = Rotation::new(&self.config, &positions, self.kind)?;
        let x = Tensor::f_embedding(&self.embed, &batch.ids, -1, false, false)?;
        Ok((x, scored, Pass { rotation, bias: batch.bias(self.kind)?, adapter, batch, caches }))
    }

    fn is_last(&self, i: usize) -> bool {
        i + 1 == self.blocks.len()
    }

    /// All blocks: [b, t, d] -> [n, d]. A tap sees all positions of every block.
    pub(crate) fn run_blocks(
        &self,
        mut x: Tensor,
        scored: &Tensor,
        pass: &mut Pass<'_>,
        tap: Option<&mut dyn HiddenTap>,
    ) -> Result<Tensor, ModelError> {
        let Some(tap) = tap else {
            for i in 0..self.blocks.len() {
                x = self.block(i, x, pass, self.is_last(i).then_some(scored))?;
            }
            return Ok(x);
        };
        for i in 0..self.blocks.len() {
            x = tap.tap(i, self.block(i, x, pass, None)?)?;
        }
        select(&x, scored)
    }

    /// Block `i`: [b, t, d] -> [b, t, d]. After its attention only the `scored` positions are computed, if they are
    /// given: -> [n, d].
    fn block(&self, i: usize, x: Tensor, pass: &mut Pass<'_>, scored: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let mixed = self.attention(i, &x, pass)?;
        let (x, mixed) = match scored {
            Some(scored) => (select(&x, scored)?, select(&mixed, scored)?),
            None => (x, mixed),
        };
        let x = x.f_add(&self.linear(i, Slot::O, &mixed, pass.adapter)?)?;
        let mlp = self.mlp(i, &x, pass.adapter)?;
        Ok(x.f_add(&mlp)?)
    }
}

/// The scored positions of [b, t, d] or [b, t, ..]: [n, ..].
fn select(x: &Tensor, scored: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_flatten(0, 1)?.f_index_select(0, scored)?)
}

fn lora(adapter: Option<&Adapter>, index: usize) -> Option<&LoraPair> {
    adapter.and_then(|a| a.pair(index))
}

/// x / sqrt(mean(x^2) + eps) in f32, cast back, then times the weight in the activation type (as published).
fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor, ModelError> {
    let h = x.f_to_kind(Kind::Float)?;
    let scale = h.f_square()?.f_mean_dim(-1, true, Kind::Float)?.f_add_scalar(eps)?.f_rsqrt()?;
    Ok(h.f_mul(&scale)?.f_to_kind(x.kind())?.f_mul(weight)?)
}

/// Every linear layer: seven per block in the order of [`Slot`], then the head unless it is the embedding.
pub(crate) fn linear_specs(config: &ModelConfig) -> Vec<LinearSpec> {
    let (n, d, m) = (&config.names, config.width, config.mlp_width);
    let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let leaves = [(n.q, d, q), (n.k, d, kv), (n.v, d, kv), (n.o, q, d), (n.gate, d, m), (n.up, d, m), (n.down, m, d)];
    let blocks = (0..config.layers).flat_map(|i| {
        leaves.map(|(leaf, inputs, outputs)| {
            let name = format!("{}.{i}.{leaf}", n.blocks);
            LinearSpec { name, inputs, outputs, in_block: true }
        })
    });
    let head = LinearSpec { name: n.head.to_owned(), inputs: d, outputs: config.vocab, in_block: false };
    blocks.chain((!config.tied_head).then_some(head)).collect()
}

fn block_linears(config: &ModelConfig) -> String {
    let n = &config.names;
    let leaves = [n.q, n.k, n.v, n.o, n.gate, n.up, n.down].map(regex::escape);
    format!(r"{}\.\d+\.({})", regex::escape(n.blocks), leaves.join("|"))
}

fn spec_of(config: &ModelConfig, linears: Vec<LinearSpec>) -> ModelSpec {
    ModelSpec {
        family: config.family,
        architecture: config.architecture.clone(),
        mask: config.mask,
        eos: config.eos,
        pad: config.pad,
        vocab: config.vocab,
        layers: config.layers,
        width: config.width,
        max_length: config.max_length,
        attention: Attention::Full,
        lookback: usize::from(config.shifted),
        parameters: config.parameters(),
        block_linears: block_linears(config),
        linears,
    }
}
