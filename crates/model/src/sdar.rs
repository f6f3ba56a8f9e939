//! SDAR (arXiv 2510.06303) and TraDo (arXiv 2509.06949): Qwen3 blocks whose tokens see their own block of positions and
//! those before it; the largest, SDAR-30B-A3B, has Qwen3's experts. Reference: modeling_sdar.py of SDAR-4B-Chat, and
//! transformers' Qwen3 MoE for the experts.

use crate::attention::{AttentionConfig, AttentionNames, HeadNorms};
use crate::config::{HeadConfig, ModelConfig};
use crate::dense::{DenseConfig, DenseNames};
use crate::experts::ExpertsConfig;
use crate::family::FamilyReader;
use crate::feed_forward::FeedForwardConfig;
use crate::keys::Keys;
use crate::names::Names;
use crate::rope_config::{RopeConfig, RopePrecision};
use crate::router::{RouterConfig, RouterKeys, RouterNames, RouterScores};
use crate::{Attention, ModelError};
use mosa_core::{DefaultSampler, Family};

pub(crate) const READER: FamilyReader =
    FamilyReader { architectures: &["SDARForCausalLM"], models: "SDAR, TraDo", computes: &[], read: read_dense };

pub(crate) const READER_MOE: FamilyReader = FamilyReader {
    architectures: &["SDARMoeForCausalLM"],
    models: "SDAR-30B-A3B",
    computes: &["num_experts"],
    read: read_moe,
};

const FAMILY: Family = Family {
    name: "SDAR",
    turn_ends: &["<|im_end|>"],
    sampler: DefaultSampler::BlockDiffusion { threshold_percent: 85 },
};

const ROUTER_NAMES: RouterNames = RouterNames { gate: "mlp.gate", bias: None };

const EXPERTS: &str = "mlp.experts";

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-6;

fn read_dense(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    read(keys, vec![dense(keys)?; keys.layers("num_hidden_layers")?])
}

fn read_moe(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    read(keys, with_experts(keys)?)
}

fn read(keys: &Keys<'_>, feed_forward: Vec<FeedForwardConfig>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    let (mask, eos, pad) = keys.special_ids()?;
    let width = keys.size("hidden_size")?;
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        attention: attention(keys, width)?,
        feed_forward,
        head: HeadConfig { tied: keys.flag("tie_word_embeddings", false)?, ..HeadConfig::default() },
        positions_skip_padding: true,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: Names::TRANSFORMERS,
    })
}

fn attention(keys: &Keys<'_>, width: usize) -> Result<AttentionConfig, ModelError> {
    let heads = keys.size("num_attention_heads")?;
    let bias = keys.flag("attention_bias", false)?;
    Ok(AttentionConfig {
        heads,
        kv_heads: keys.size_or_none("num_key_value_heads")?.unwrap_or(heads),
        head_dim: keys.size_or_none("head_dim")?.unwrap_or(width / heads),
        qkv_bias: bias,
        output_bias: bias,
        rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT, RopeConfig::LINEAR], RopePrecision::Activation)?,
        rule: Attention::BlockCausal { block: block_size(keys)? },
        names: AttentionNames::TRANSFORMERS,
        head_norms: Some(HeadNorms::TRANSFORMERS),
    })
}

fn dense(keys: &Keys<'_>) -> Result<FeedForwardConfig, ModelError> {
    let width = keys.size("intermediate_size")?;
    Ok(FeedForwardConfig::Dense(DenseConfig { width, bias: false, names: DenseNames::TRANSFORMERS }))
}

/// The part of every layer: experts in every so many, but for those that a list says are dense.
fn with_experts(keys: &Keys<'_>) -> Result<Vec<FeedForwardConfig>, ModelError> {
    const DENSE: &str = "mlp_only_layers";
    let layers = keys.layers("num_hidden_layers")?;
    let step = keys.size_or_none("decoder_sparse_step")?.unwrap_or(1);
    let list = keys.get(DENSE).map_or(Some(&[][..]), |v| v.as_array().map(Vec::as_slice));
    let list = list.ok_or_else(|| keys.error(DENSE, "is no list of layers"))?;
    let is_dense = |layer: usize| list.iter().any(|l| l.as_u64() == Some(layer as u64));
    if let Some(bad) = list.iter().find(|l| l.as_u64().is_none_or(|l| l >= layers as u64)) {
        return Err(keys.error(DENSE, format!("names the layer {bad}; there are {layers}, counted from 0")));
    }
    let of_layer = |layer: usize| match (layer + 1).is_multiple_of(step) && !is_dense(layer) {
        true => experts(keys),
        false => dense(keys),
    };
    (0..layers).map(of_layer).collect()
}

fn experts(keys: &Keys<'_>) -> Result<FeedForwardConfig, ModelError> {
    let router = RouterConfig {
        experts: keys.size("num_experts")?,
        chosen: keys.size("num_experts_per_tok")?,
        scores: RouterScores::Softmax,
        groups: None,
        normalised: keys.flag("norm_topk_prob", false)?,
        scale: 1.0,
        full_precision: false,
        names: ROUTER_NAMES,
    };
    let names = RouterKeys { chosen: "num_experts_per_tok", groups: "n_group", kept: "topk_group" };
    router.check(keys, names)?;
    let expert = DenseConfig { width: keys.size("moe_intermediate_size")?, bias: false, names: DenseNames::OF_EXPERT };
    Ok(FeedForwardConfig::Experts(ExpertsConfig { router, list: EXPERTS, expert, shared: None }))
}

/// Positions per block. Models of other sizes were trained from the same code, so there is no default.
fn block_size(keys: &Keys<'_>) -> Result<usize, ModelError> {
    let missing = "is missing: add the positions per block that the model was trained with (SDAR-1.7B-Chat: 4; a name that \
                   ends in -b32: 32)";
    keys.size_or_none("block_size")?.ok_or_else(|| keys.error("block_size", missing))
}
