//! The attention of a block.
//!
//! Shapes in comments: b rows, t computed positions, s positions attended to, d width, h query heads, g key heads, c
//! channels per head.

use crate::keys::Keys;
use crate::linear::{Input, Linear};
use crate::parts::Parts;
use crate::pass::Pass;
use crate::rope_config::RopeConfig;
use crate::spec::LinearShape;
use crate::{Attention, ModelError};
use tch::{Device, Tensor};

/// The shape of the attention of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionConfig {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Channels per head.
    pub head_dim: usize,
    /// Whether the projections to queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether the projection back has a bias.
    pub output_bias: bool,
    /// How queries and keys are rotated.
    pub rope: RopeConfig,
    /// Whom a token sees, as the model was trained.
    pub rule: Attention,
    /// What its layers are called.
    pub names: AttentionNames,
}

/// The module paths of attention, inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionNames {
    /// Queries.
    pub q: &'static str,
    /// Keys.
    pub k: &'static str,
    /// Values.
    pub v: &'static str,
    /// Back to the width of the model.
    pub o: &'static str,
}

impl AttentionConfig {
    /// Channels of all queries, and of all keys.
    fn channels(&self) -> [usize; 2] {
        [self.heads * self.head_dim, self.kv_heads * self.head_dim]
    }

    /// Its linear layers in the order adapters count them.
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        let (n, [q, kv]) = (&self.names, self.channels());
        vec![
            LinearShape::new(n.q, [width, q], self.qkv_bias),
            LinearShape::new(n.k, [width, kv], self.qkv_bias),
            LinearShape::new(n.v, [width, kv], self.qkv_bias),
            LinearShape::new(n.o, [q, width], self.output_bias),
        ]
    }

    /// Multiply-adds of the projections of one position.
    pub(crate) fn project(&self, width: usize) -> f64 {
        let [q, kv] = self.channels().map(|n| n as f64);
        width as f64 * (q + 2.0 * kv)
    }

    /// Multiply-adds for each pair of positions.
    pub(crate) fn per_pair(&self) -> f64 {
        2.0 * self.channels()[0] as f64
    }

    /// Multiply-adds of the projection back, for one position.
    pub(crate) fn mix(&self, width: usize) -> f64 {
        (self.channels()[0] * width) as f64
    }

    /// Refuses heads that cannot be computed.
    pub(crate) fn check(&self, keys: &Keys<'_>, width: usize) -> Result<(), ModelError> {
        let Self { heads, kv_heads, head_dim, .. } = *self;
        if heads % kv_heads != 0 {
            return Err(keys
                .error("n_kv_heads / num_key_value_heads", format!("= {kv_heads} does not divide the {heads} heads")));
        }
        if head_dim % 2 != 0 {
            return Err(Self::uneven(keys, heads, width));
        }
        Ok(())
    }

    /// The error about a width that its heads do not split evenly.
    pub fn uneven(keys: &Keys<'_>, heads: usize, width: usize) -> ModelError {
        keys.error(
            "n_heads / num_attention_heads",
            format!("= {heads} does not split the width {width} into heads of even size"),
        )
    }
}

/// The attention of one block.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    heads: i64,
    kv_heads: i64,
    head_dim: i64,
}

impl SelfAttention {
    /// The one of the block at `path`.
    pub(crate) fn build(config: &AttentionConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let linear = |leaf: &str| parts.linear(&format!("{path}.{leaf}"));
        let names = &config.names;
        Ok(Self {
            q: linear(names.q)?,
            k: linear(names.k)?,
            v: linear(names.v)?,
            o: linear(names.o)?,
            heads: config.heads as i64,
            kv_heads: config.kv_heads as i64,
            head_dim: config.head_dim as i64,
        })
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> [&Linear; 4] {
        [&self.q, &self.k, &self.v, &self.o]
    }

    /// The same, to change them.
    pub(crate) fn linears_mut(&mut self) -> [&mut Linear; 4] {
        [&mut self.q, &mut self.k, &mut self.v, &mut self.o]
    }

    /// The mixed values before [`SelfAttention::project`]: normed hidden states [b, t, d] of block `block` -> [b, t, h * c].
    pub(crate) fn mix(&self, block: usize, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let (b, t) = (x.size()[0], x.size()[1]);
        let input = Input::new(x, pass.adapter);
        let heads =
            |linear: &Linear, n: i64| Ok::<_, ModelError>(linear.forward(&input)?.f_view([b, t, n, self.head_dim])?);
        let q = pass.rotation.apply(&heads(&self.q, self.heads)?)?;
        let k = pass.rotation.apply(&heads(&self.k, self.kv_heads)?)?;
        let v = heads(&self.v, self.kv_heads)?;
        let [k, v] = pass.gather(block, [k, v])?;
        // [b, h, t, c] and twice [b, g, s, c]
        let (q, k, v) = (q.f_transpose(1, 2)?, k.f_transpose(1, 2)?, v.f_transpose(1, 2)?);
        let bias = pass.bias.as_ref();
        let y = if self.heads == self.kv_heads {
            attend([&q, &k, &v], bias)?
        } else if x.device() == Device::Cpu {
            attend([&q, &self.repeated(&k)?, &self.repeated(&v)?], bias)?
        } else {
            self.grouped([&q, &k, &v], bias)?
        };
        Ok(y.f_transpose(1, 2)?.f_reshape([b, t, self.heads * self.head_dim])?)
    }

    /// Back to the width of the model: [.., h * c] -> [.., d].
    pub(crate) fn project(&self, mixed: &Tensor, pass: &Pass<'_>) -> Result<Tensor, ModelError> {
        self.o.forward(&Input::new(mixed, pass.adapter))
    }

    /// [b, g, s, c] -> [b, h, s, c]: each key head serves h / g neighbouring query heads.
    fn repeated(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (b, s, group) = (x.size()[0], x.size()[2], self.heads / self.kv_heads);
        let wide = x.f_unsqueeze(2)?.f_expand([b, self.kv_heads, group, s, self.head_dim], false)?;
        Ok(wide.f_reshape([b, self.heads, s, self.head_dim])?)
    }

    /// Attention without copies of keys and values: the queries of the h / g heads that share a key head stand one after
    /// the other in one head. Every kernel of every device takes that, with a bias or without, where `enable_gqa` leaves
    /// some of them for one that forms all [b, h, t, s] weights.
    fn grouped(&self, [q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let (b, t, group) = (q.size()[0], q.size()[2], self.heads / self.kv_heads);
        let q = q.f_reshape([b, self.kv_heads, group * t, self.head_dim])?;
        // A bias that differs between queries is the same for all heads.
        let bias = match bias {
            Some(bias) if bias.size()[2] > 1 => Some(bias.f_repeat([1, 1, group, 1])?),
            bias => bias.map(Tensor::shallow_clone),
        };
        let y = attend([&q, k, v], bias.as_ref())?;
        Ok(y.f_reshape([b, self.heads, t, self.head_dim])?)
    }
}

/// softmax(q kᵀ / sqrt(c) + bias) v, the softmax in f32.
fn attend([q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
    Ok(Tensor::f_scaled_dot_product_attention(q, k, v, bias, 0.0, false, None, false)?)
}
