//! The attention of a block.
//!
//! Shapes in comments: b rows, t computed positions, s positions attended to, d width, h query heads, g key heads, c
//! channels per head.

use crate::attend;
use crate::keys::Keys;
use crate::linear::{Input, Linear};
use crate::norm::RmsNorm;
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
    /// Norms over the channels of every query and key head, before they are rotated, where it has them.
    pub head_norms: Option<HeadNorms>,
}

/// The module paths of the norms of queries and keys, inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadNorms {
    /// Over the channels of a query head.
    pub q: &'static str,
    /// Over the channels of a key head.
    pub k: &'static str,
}

/// The module paths of attention, inside a block. One path for queries, keys and values is one layer that makes them all:
/// its rows are those of the queries, then those of the keys, then those of the values.
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

impl HeadNorms {
    /// As transformers calls them in Qwen3 and the models made after it.
    pub(crate) const TRANSFORMERS: Self = Self { q: "self_attn.q_norm", k: "self_attn.k_norm" };
}

impl AttentionNames {
    /// As transformers calls them in Llama, Qwen and the models made after them.
    pub(crate) const TRANSFORMERS: Self =
        Self { q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", o: "self_attn.o_proj" };

    /// Whether one layer makes queries, keys and values.
    fn are_fused(&self) -> bool {
        self.q == self.k && self.k == self.v
    }
}

impl AttentionConfig {
    /// Channels of all queries, and of all keys.
    fn channels(&self) -> [usize; 2] {
        [self.heads * self.head_dim, self.kv_heads * self.head_dim]
    }

    /// Its linear layers in the order adapters count them.
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        let (n, [q, kv]) = (&self.names, self.channels());
        if n.are_fused() {
            return vec![
                LinearShape::new(n.q, [width, q + 2 * kv], self.qkv_bias),
                LinearShape::new(n.o, [q, width], self.output_bias),
            ];
        }
        vec![
            LinearShape::new(n.q, [width, q], self.qkv_bias),
            LinearShape::new(n.k, [width, kv], self.qkv_bias),
            LinearShape::new(n.v, [width, kv], self.qkv_bias),
            LinearShape::new(n.o, [q, width], self.output_bias),
        ]
    }

    /// The paths of its norms, inside a block.
    pub(crate) fn norms(&self) -> impl Iterator<Item = &'static str> {
        self.head_norms.into_iter().flat_map(|norms| [norms.q, norms.k])
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
        if !heads.is_multiple_of(kv_heads) {
            return Err(keys
                .error("n_kv_heads / num_key_value_heads", format!("= {kv_heads} does not divide the {heads} heads")));
        }
        if keys.get("head_dim").is_some() && !head_dim.is_multiple_of(2) {
            return Err(keys.error("head_dim", format!("= {head_dim} is odd: channels are rotated in pairs")));
        }
        if head_dim == 0 || !head_dim.is_multiple_of(2) {
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

/// What makes queries, keys and values.
#[derive(Debug)]
enum Inputs {
    Apart { q: Linear, k: Linear, v: Linear },
    Fused(Linear),
}

/// The attention of one block.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    inputs: Inputs,
    o: Linear,
    /// Of queries and keys.
    norms: Option<[RmsNorm; 2]>,
    heads: Heads,
}

impl SelfAttention {
    /// The one of the block at `path`; `eps` is of its norms.
    pub(crate) fn build(config: &AttentionConfig, path: &str, eps: f64, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let norm = |leaf: &str| parts.norm(&format!("{path}.{leaf}"), config.head_dim, eps);
        let norms = match config.head_norms {
            Some(HeadNorms { q, k }) => Some([norm(q)?, norm(k)?]),
            None => None,
        };
        let linear = |leaf: &str| parts.linear(&format!("{path}.{leaf}"));
        let names = &config.names;
        let [query, key, channels] = [config.heads, config.kv_heads, config.head_dim].map(|n| n as i64);
        let folds = matches!(config.rule, Attention::BlockCausal { .. });
        let heads = Heads { query, key, channels, folds };
        let inputs = if names.are_fused() {
            Inputs::Fused(linear(names.q)?)
        } else {
            Inputs::Apart { q: linear(names.q)?, k: linear(names.k)?, v: linear(names.v)? }
        };
        Ok(Self { inputs, o: linear(names.o)?, norms, heads })
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        match &self.inputs {
            Inputs::Apart { q, k, v } => vec![q, k, v, &self.o],
            Inputs::Fused(qkv) => vec![qkv, &self.o],
        }
    }

    /// The same, to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match &mut self.inputs {
            Inputs::Apart { q, k, v } => vec![q, k, v, &mut self.o],
            Inputs::Fused(qkv) => vec![qkv, &mut self.o],
        }
    }

    /// Its norms, in the order of [`AttentionConfig::norms`].
    pub(crate) fn norms(&self) -> impl Iterator<Item = &RmsNorm> {
        self.norms.iter().flatten()
    }

    /// The same, to change them.
    pub(crate) fn norms_mut(&mut self) -> impl Iterator<Item = &mut RmsNorm> {
        self.norms.iter_mut().flatten()
    }

    /// The mixed values before [`SelfAttention::project`]: normed hidden states [b, t, d] of block `block` -> [b, t, h * c].
    pub(crate) fn mix(&self, block: usize, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let (b, t) = (x.size()[0], x.size()[1]);
        let Heads { query, channels, .. } = self.heads;
        let [mut q, mut k, v] = self.inputs.project(&Input::new(x, pass.adapter), self.heads, [b, t])?;
        if let Some([of_q, of_k]) = &self.norms {
            (q, k) = (of_q.forward(&q)?, of_k.forward(&k)?);
        }
        let turned = |x: &Tensor| if pass.shares() { pass.rotation.in_one_go(x) } else { pass.rotation.apply(x) };
        let (q, k) = (turned(&q)?, turned(&k)?);
        if pass.is_beside() {
            let y = self.mix_apart(block, [&q, &k, &v], pass)?;
            return Ok(y.f_reshape([b, t, query * channels])?);
        }
        let [k, v] = pass.gather(block, [k, v])?;
        let spans = pass.spans();
        if let Some(spans) = spans.as_ref().filter(|_| attend::takes(&q, channels)) {
            return Ok(attend::attend([&q, &k, &v], spans)?.f_reshape([b, t, query * channels])?);
        }
        let (q, k, v) = (q.f_transpose(1, 2)?, k.f_transpose(1, 2)?, v.f_transpose(1, 2)?);
        let y = match spans {
            Some(spans) => self.heads.attend_apart([&q, &k, &v], &spans)?,
            None => self.heads.attend([&q, &k, &v], pass.bias.as_ref())?,
        };
        Ok(y.f_transpose(1, 2)?.f_reshape([b, t, query * channels])?)
    }

    /// Queries, keys and values [1, t, .., c] of two rows of which the second is what the canvas of the first may
    /// become: each attends as it does alone, -> [1, t, h, c].
    fn mix_apart(&self, block: usize, qkv: [&Tensor; 3], pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        let spans = pass.spans().unwrap_or_default();
        let (mut end, mut all) = (spans.iter().sum::<i64>(), Vec::with_capacity(spans.len()));
        for (r, &len) in spans.iter().enumerate().rev() {
            end -= len;
            let [q, k, v] = qkv.map(|x| x.f_narrow(1, end, len));
            let ([k, v], bias) = pass.gather_apart(block, r, [k?, v?])?;
            let (q, k, v) = (q?.f_transpose(1, 2)?, k.f_transpose(1, 2)?, v.f_transpose(1, 2)?);
            all.push(self.heads.attend([&q, &k, &v], bias)?.f_transpose(1, 2)?);
        }
        all.reverse();
        Ok(Tensor::f_cat(&all, 1)?)
    }

    /// Brings the caches of the pass up to date and computes nothing else.
    pub(crate) fn fill(&self, block: usize, x: &Tensor, pass: &mut Pass<'_>) -> Result<(), ModelError> {
        let [mut k, v] =
            self.inputs.keys_and_values(&Input::new(x, pass.adapter), self.heads, [x.size()[0], x.size()[1]])?;
        if let Some([_, of_k]) = &self.norms {
            k = of_k.forward(&k)?;
        }
        let k = pass.rotation.apply(&k)?;
        pass.gather(block, [k, v]).map(drop)
    }

    /// Back to the width of the model: [.., h * c] -> [.., d].
    pub(crate) fn project(&self, mixed: &Tensor, pass: &Pass<'_>) -> Result<Tensor, ModelError> {
        self.o.forward(&Input::new(mixed, pass.adapter))
    }
}

impl Inputs {
    /// Queries [b, t, h, c], keys and values [b, t, g, c] of activations [b, t, d].
    fn project(&self, x: &Input<'_>, heads: Heads, [b, t]: [i64; 2]) -> Result<[Tensor; 3], ModelError> {
        let Heads { query, key, channels, .. } = heads;
        let split = |made: Tensor, n: i64| made.f_view([b, t, n, channels]);
        match self {
            Self::Apart { q, k, v } => {
                let [q, k, v] = Linear::all([q, k, v], x)?;
                Ok([split(q, query)?, split(k, key)?, split(v, key)?])
            }
            Self::Fused(qkv) => {
                let all = split(qkv.forward(x)?, query + 2 * key)?;
                Ok([all.f_narrow(2, 0, query)?, all.f_narrow(2, query, key)?, all.f_narrow(2, query + key, key)?])
            }
        }
    }

    /// The same without the queries, which a layer of their own need not make.
    fn keys_and_values(&self, x: &Input<'_>, heads: Heads, size: [i64; 2]) -> Result<[Tensor; 2], ModelError> {
        let Self::Apart { k, v, .. } = self else { return self.project(x, heads, size).map(|[_, k, v]| [k, v]) };
        let size = [size[0], size[1], heads.key, heads.channels];
        let [k, v] = Linear::all([k, v], x)?;
        Ok([k.f_view(size)?, v.f_view(size)?])
    }
}

/// How many heads there are. Each key head serves h / g neighbouring query heads.
#[derive(Clone, Copy, Debug)]
struct Heads {
    query: i64,
    key: i64,
    channels: i64,
    /// Whether query heads are folded on the CPU too: a few queries of a block attend to the keys of a long canvas there,
    /// which copies would multiply at every step.
    folds: bool,
}

impl Heads {
    /// softmax(q kᵀ / sqrt(c) + bias) v of queries [b, h, t, c], keys and values [b, g, s, c] and a bias [b, 1, 1 or t, s]
    /// -> [b, h, t, c].
    fn attend(self, [q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
        if self.query == self.key {
            return scaled_dot_product([q, k, v], bias);
        }
        if q.device() == Device::Cpu && !self.folds {
            // What was computed with copies keeps its bits.
            return scaled_dot_product([q, &self.repeated(k)?, &self.repeated(v)?], bias);
        }
        self.grouped([q, k, v], bias)
    }

    /// The same of rows of these lengths, one behind the other: each attends to itself alone.
    fn attend_apart(self, qkv: [&Tensor; 3], spans: &[i64]) -> Result<Tensor, ModelError> {
        let (mut from, mut all) = (0, Vec::with_capacity(spans.len()));
        for &len in spans {
            let [q, k, v] = qkv.map(|x| x.f_narrow(2, from, len));
            all.push(self.attend([&q?, &k?, &v?], None)?);
            from += len;
        }
        Ok(Tensor::f_cat(&all, 2)?)
    }

    /// [b, g, s, c] -> [b, h, s, c].
    fn repeated(self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (b, s, group) = (x.size()[0], x.size()[2], self.query / self.key);
        let wide = x.f_unsqueeze(2)?.f_expand([b, self.key, group, s, self.channels], false)?;
        Ok(wide.f_reshape([b, self.query, s, self.channels])?)
    }

    /// Without copies of keys and values: the queries of the h / g heads that share a key head stand one after the other in
    /// one head. Every kernel of every device takes that, with a bias or without, where `enable_gqa` leaves some of them for
    /// one that forms all [b, h, t, s] weights.
    fn grouped(self, [q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let (b, t, group) = (q.size()[0], q.size()[2], self.query / self.key);
        let q = q.f_reshape([b, self.key, group * t, self.channels])?;
        // A bias that differs between queries is the same for all heads.
        let bias = match bias {
            Some(bias) if bias.size()[2] > 1 => Some(bias.f_repeat([1, 1, group, 1])?),
            bias => bias.map(Tensor::shallow_clone),
        };
        let y = scaled_dot_product([&q, k, v], bias.as_ref())?;
        Ok(y.f_reshape([b, self.query, t, self.channels])?)
    }
}

fn scaled_dot_product([q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
    Ok(Tensor::f_scaled_dot_product_attention(q, k, v, bias, 0.0, false, None, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// No call of a model with full attention takes the way of the other devices on the CPU, so it is compared here.
    #[test]
    fn queries_that_share_a_key_head_attend_as_with_copies_of_it() {
        for ([query, key], [b, t, s]) in [([6, 2], [1, 5, 9]), ([28, 4], [3, 7, 7]), ([8, 1], [2, 1, 12])] {
            let heads = Heads { query, key, channels: 16, folds: false };
            let wave = |size: [i64; 4], step: f64| {
                let n: i64 = size.iter().product();
                (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step).sin().view(size)
            };
            let q = wave([b, query, t, 16], 0.7);
            let (k, v) = (wave([b, key, s, 16], 1.3), wave([b, key, s, 16], 0.9));
            for bias in [None, Some(wave([b, 1, 1, s], 2.1) * 3.0), Some(wave([b, 1, t, s], 2.9) * 3.0)] {
                let grouped = heads.grouped([&q, &k, &v], bias.as_ref()).unwrap();
                let copied = heads.attend([&q, &k, &v], bias.as_ref()).unwrap();
                assert_eq!(grouped.size(), copied.size());
                assert!((grouped - copied).abs().max().double_value(&[]) < 1e-5, "{heads:?} {t} {s}");
            }
        }
    }
}
