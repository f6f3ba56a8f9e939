//! The shape of a model, the same for all families.

use crate::attention::AttentionConfig;
use crate::feed_forward::FeedForwardConfig;
use crate::keys::{Keys, MOST_LAYERS};
use crate::names::Names;
use crate::{Attention, LinearKind, LinearSpec, ModelError, ModelSpec};
use mosa_core::{Family, TokenId};
use regex::escape;

/// Far above any model, all layers together; keeps a damaged config from asking for memory.
const MOST_EXPERTS: usize = 1 << 18;

/// What turns the last hidden states into logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadConfig {
    /// Whether it is the embedding.
    pub tied: bool,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether logits are divided by the square root of the width.
    pub scaled: bool,
    /// Whether row i of the raw output scores position i + 1.
    pub shifted: bool,
}

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub family: Family,
    /// The class name of the published code.
    pub architecture: String,
    /// Width of the hidden states.
    pub width: usize,
    /// Rows of embedding and output layer.
    pub vocab: usize,
    /// Added to the mean square in RMSNorm.
    pub norm_eps: f64,
    /// The attention of every block.
    pub attention: AttentionConfig,
    /// The feed-forward part of each block, in order.
    pub feed_forward: Vec<FeedForwardConfig>,
    /// The output layer.
    pub head: HeadConfig,
    /// Whether positions of a padded row count from its first token (Dream) or from the padding (LLaDA).
    pub positions_skip_padding: bool,
    /// Longest canvas, prompt included.
    pub max_length: usize,
    /// The mask token.
    pub mask: TokenId,
    /// End of text.
    pub eos: TokenId,
    /// Padding.
    pub pad: TokenId,
    /// Where its weights stand in a checkpoint.
    pub names: Names,
}

impl ModelConfig {
    /// Number of blocks.
    pub fn layers(&self) -> usize {
        self.feed_forward.len()
    }

    /// Every linear layer in the order adapters count them: block after block its attention and its feed-forward part, then
    /// the head unless it is the embedding.
    pub fn linears(&self) -> Vec<LinearSpec> {
        let mut all = Vec::new();
        for (block, feed_forward) in self.feed_forward.iter().enumerate() {
            let shapes = self.attention.linears(self.width).into_iter().chain(feed_forward.linears(self.width));
            all.extend(shapes.map(|shape| LinearSpec {
                name: format!("{}.{}", self.block_path(block), shape.leaf),
                inputs: shape.inputs,
                outputs: shape.outputs,
                bias: shape.bias,
                block: Some(block),
                kind: shape.kind,
            }));
        }
        if !self.head.tied {
            let (name, inputs, outputs) = (self.names.head.to_owned(), self.width, self.vocab);
            let kind = LinearKind::Common;
            all.push(LinearSpec { name, inputs, outputs, bias: self.head.bias, block: None, kind });
        }
        all
    }

    /// The module path of a block.
    pub(crate) fn block_path(&self, block: usize) -> String {
        format!("{}.{block}", self.names.blocks)
    }

    /// The names of all weights.
    pub(crate) fn weight_names(&self) -> Vec<String> {
        let n = &self.names;
        let mut all = vec![format!("{}.weight", n.embed), format!("{}.weight", n.norm)];
        for (path, feed_forward) in self.feed_forward.iter().enumerate().map(|(i, f)| (self.block_path(i), f)) {
            let leaves = [n.attention_norm, n.feed_forward_norm].into_iter().chain(self.attention.norms());
            all.extend(leaves.map(|leaf| format!("{path}.{leaf}.weight")));
            all.extend(feed_forward.bias().map(|(leaf, _)| format!("{path}.{leaf}")));
        }
        for linear in self.linears() {
            all.push(format!("{}.weight", linear.name));
            all.extend(linear.bias.then(|| format!("{}.bias", linear.name)));
        }
        all
    }

    /// What the rest of mosa may know about the model.
    pub(crate) fn spec(&self) -> ModelSpec {
        let linears = self.linears();
        ModelSpec {
            family: self.family,
            architecture: self.architecture.clone(),
            mask: self.mask,
            eos: self.eos,
            pad: self.pad,
            vocab: self.vocab,
            layers: self.layers(),
            width: self.width,
            max_length: self.max_length,
            attention: self.attention.rule,
            lookback: usize::from(self.head.shifted),
            parameters: self.parameters(),
            block_linears: block_linears(self.names.blocks, &linears),
            linears,
        }
    }

    /// Number of weights of the model this describes.
    pub fn parameters(&self) -> usize {
        let linears = self.linears();
        let linear = |l: &LinearSpec| l.inputs * l.outputs + if l.bias { l.outputs } else { 0 };
        let heads = self.layers() * self.attention.norms().count() * self.attention.head_dim;
        let norms = (2 * self.layers() + 1) * self.width;
        let biases = self.feed_forward.iter().filter_map(|f| Some(f.bias()?.1)).sum::<usize>();
        linears.iter().map(linear).sum::<usize>() + norms + heads + biases + self.vocab * self.width
    }

    /// Multiply-adds of one forward pass over `computed` positions that attend to `attended` and of which `scored` get
    /// logits.
    pub fn multiply_adds(&self, computed: usize, attended: usize, scored: usize) -> f64 {
        let (d, t, n) = (self.width as f64, computed as f64, scored as f64);
        let before = t * self.attention.project(self.width) + t * attended as f64 * self.attention.per_pair();
        let behind = |f: &FeedForwardConfig| self.attention.mix(self.width) + f.multiply_adds(self.width);
        let blocks = self.feed_forward.iter().enumerate().map(|(i, f)| {
            // Behind the attention of the last block only scored positions are computed.
            before + if i + 1 == self.layers() { n } else { t } * behind(f)
        });
        blocks.sum::<f64>() + n * d * self.vocab as f64
    }

    /// Refuses what cannot be a model.
    pub(crate) fn check(&self, keys: &Keys<'_>) -> Result<(), ModelError> {
        if !(1..=MOST_LAYERS).contains(&self.layers()) {
            return Err(keys.cannot_be_layers(self.layers()));
        }
        self.attention.check(keys, self.width)?;
        if let Attention::BlockCausal { block } = self.attention.rule
            && block > self.max_length
        {
            let what = format!("= {block} positions per block are more than the context of {}", self.max_length);
            return Err(keys.error("block_size", what));
        }
        let experts: usize = self.feed_forward.iter().map(FeedForwardConfig::experts).sum();
        if experts > MOST_EXPERTS {
            return Err(keys.error("num_experts", format!("cannot be right: the model would have {experts} experts")));
        }
        for (key, id) in [("mask_token_id", self.mask), ("eos_token_id", self.eos), ("pad_token_id", self.pad)] {
            if id as usize >= self.vocab {
                return Err(keys.error(key, format!("= {id} is not a row of the embedding, which has {}", self.vocab)));
            }
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(keys.error("rms_norm_eps", format!("= {} cannot be right", self.norm_eps)));
        }
        Ok(())
    }
}

/// The expression for the linear layers of all blocks that every position goes through: what they are called inside a
/// block, in order. Training those and leaving router and routed experts alone is what trainers of such models do: an
/// expert that a batch hardly visits hardly learns.
fn block_linears(blocks: &str, linears: &[LinearSpec]) -> String {
    let mut leaves: Vec<&str> = Vec::new();
    let common = linears.iter().filter(|l| l.kind == LinearKind::Common);
    for (block, linear) in common.filter_map(|l| Some((l.block?, l))) {
        let leaf = linear.name.strip_prefix(&format!("{blocks}.{block}.")).unwrap_or(&linear.name);
        if !leaves.contains(&leaf) {
            leaves.push(leaf);
        }
    }
    let leaves: Vec<String> = leaves.into_iter().map(escape).collect();
    format!(r"{}\.\d+\.({})", escape(blocks), leaves.join("|"))
}
