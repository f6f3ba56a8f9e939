//! The body all families share: pre-norm blocks of bidirectional attention and SwiGLU.
//!
//! Shapes in comments: b rows, t computed positions, d width, h query heads, n scored positions, v vocabulary.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::linear::Linear;
use crate::lora::{Adapter, LoraPair};
use crate::random::RandomWeights;
use crate::rope::Rotation;
use crate::weights::{Source, Weights};
use crate::{CacheUse, Call, Checkpoint, DenoisingModel, HiddenTap, LinearSpec, ModelError, ModelSpec};
use tch::{Device, Kind, Tensor};

/// A loaded model of any family.
#[derive(Debug)]
pub struct Transformer {
    config: ModelConfig,
    spec: ModelSpec,
    kind: Kind,
    device: Device,
    embed: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Linear,
    unused: Vec<String>,
}

#[derive(Debug)]
struct Block {
    attention_norm: Tensor,
    mlp_norm: Tensor,
    /// In the order of [`Slot`].
    linears: [Linear; 7],
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
struct Pass<'a> {
    rotation: Rotation,
    bias: Option<Tensor>,
    adapter: Option<&'a Adapter>,
    cache: CacheUse<'a>,
}

impl Transformer {
    /// Builds the model `config` describes from the weights of `checkpoint`.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if a tensor is missing or has another shape or type; [`ModelError::Torch`] if memory runs out.
    pub fn load(config: &ModelConfig, checkpoint: &Checkpoint, kind: Kind, device: Device) -> Result<Self, ModelError> {
        Self::build(config, Weights::new(Source::Checkpoint(checkpoint), kind, device))
    }

    /// The model `config` describes with random weights, for benchmarks.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn random(config: &ModelConfig, seed: u64, kind: Kind, device: Device) -> Result<Self, ModelError> {
        let weight = |module: &str| format!("{module}.weight");
        let (head, embed) = (weight(config.names.head), weight(config.names.embed));
        let random = RandomWeights { seed, mask: config.mask, head, embed };
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
        let mut blocks = Vec::with_capacity(config.layers);
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
        let mut k = pass.rotation.apply(&heads(Slot::K, c.kv_heads)?)?;
        let mut v = heads(Slot::V, c.kv_heads)?;
        match &mut pass.cache {
            CacheUse::None => {}
            CacheUse::Fill(cache) => cache.keep(&k, &v),
            CacheUse::Read { cache, start } => (k, v) = cache.refresh(i, *start, [&k, &v])?,
        }
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

    /// x [n, d] -> logits [n, v].
    fn logits(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let x = rms_norm(x, &self.norm, self.config.norm_eps)?;
        let y = self.head.forward(&x, lora(adapter, self.config.layers * 7))?;
        Ok(if self.config.scaled_logits { y.f_div_scalar((self.config.width as f64).sqrt())? } else { y })
    }
}

impl DenoisingModel for Transformer {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let batch = Batch::new(&call, &self.spec, self.device)?;
        let scored = batch.scored(call.want, self.config.shifted)?;
        let Call { adapter, cache, tap, .. } = call;
        if let Some(adapter) = adapter {
            adapter.check_fits(&self.spec)?;
        }
        let positions = batch.positions(self.config.positions_skip_padding)?;
        let rotation = Rotation::new(&self.config, &positions, self.kind)?;
        let mut pass = Pass { rotation, bias: batch.bias(self.kind)?, adapter, cache };
        if let CacheUse::Fill(cache) = &mut pass.cache {
            cache.clear();
        }
        let x = Tensor::f_embedding(&self.embed, &batch.ids, -1, false, false)?; // [b, t, d]
        let x = self.run_blocks(x, &scored, &mut pass, tap)?; // [n, d]
        self.logits(&x, adapter)
    }
}

impl Transformer {
    /// All blocks. After the last block's attention only the scored positions matter, unless somebody looks at the
    /// hidden states: [b, t, d] -> [n, d].
    fn run_blocks(
        &self,
        mut x: Tensor,
        scored: &Tensor,
        pass: &mut Pass<'_>,
        mut tap: Option<&mut dyn HiddenTap>,
    ) -> Result<Tensor, ModelError> {
        let select = |x: &Tensor| -> Result<Tensor, ModelError> { Ok(x.f_flatten(0, 1)?.f_index_select(0, scored)?) };
        for i in 0..self.blocks.len() {
            let mut mixed = self.attention(i, &x, pass)?;
            if i + 1 == self.blocks.len() && tap.is_none() {
                (x, mixed) = (select(&x)?, select(&mixed)?);
            }
            x = x.f_add(&self.linear(i, Slot::O, &mixed, pass.adapter)?)?;
            x = x.f_add(&self.mlp(i, &x, pass.adapter)?)?;
            if let Some(tap) = &mut tap {
                x = tap.tap(i, x)?;
            }
        }
        if tap.is_some() { select(&x) } else { Ok(x) }
    }
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
fn linear_specs(config: &ModelConfig) -> Vec<LinearSpec> {
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
        lookback: usize::from(config.shifted),
        parameters: config.parameters(),
        block_linears: block_linears(config),
        linears,
    }
}
