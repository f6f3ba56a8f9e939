//! LLaDA2.0 and 2.1 (arXiv 2512.15745): block-causal attention from one projection, and experts in groups behind a sigmoid
//! router. Reference: modeling_llada2_moe.py of LLaDA2.0-mini.

use crate::attention::{AttentionConfig, AttentionNames, HeadNorms};
use crate::config::{HeadConfig, ModelConfig};
use crate::dense::{DenseConfig, DenseNames};
use crate::experts::ExpertsConfig;
use crate::family::FamilyReader;
use crate::feed_forward::FeedForwardConfig;
use crate::keys::Keys;
use crate::names::Names;
use crate::rope_config::{RopeConfig, RopePrecision};
use crate::router::{ExpertGroups, RouterConfig, RouterKeys, RouterNames, RouterScores};
use crate::{Attention, ModelError};
use mosa_core::{DefaultSampler, Family};
use serde_json::json;

pub(crate) const READER: FamilyReader = FamilyReader {
    architectures: &["LLaDA2MoeModelLM"],
    models: "LLaDA2.0, LLaDA2.1",
    computes: &["use_qk_norm", "partial_rotary_factor", "rotary_dim", "num_experts"],
    read,
};

const FAMILY: Family = Family {
    name: "LLaDA2",
    turn_ends: &["<|role_end|>"],
    sampler: DefaultSampler::BlockDiffusion { threshold_percent: 95 },
};

/// Its configs name no mask id.
const MASK: &str = "<|mask|>";

/// Positions per block: what the models were trained and are decoded with. Their configs do not say.
const BLOCK: usize = 32;

const NAMES: Names = Names {
    embed: "model.word_embeddings",
    blocks: "model.layers",
    attention_norm: "input_layernorm",
    feed_forward_norm: "post_attention_layernorm",
    norm: "model.norm",
    head: "lm_head",
};

const QKV: &str = "attention.query_key_value";

const ATTENTION_NAMES: AttentionNames = AttentionNames { q: QKV, k: QKV, v: QKV, o: "attention.dense" };

const HEAD_NORMS: HeadNorms = HeadNorms { q: "attention.query_layernorm", k: "attention.key_layernorm" };

const ROUTER_NAMES: RouterNames = RouterNames { gate: "mlp.gate", bias: Some("mlp.gate.expert_bias") };

const EXPERTS: &str = "mlp.experts";

const SHARED_NAMES: DenseNames = DenseNames {
    gate: "mlp.shared_experts.gate_proj",
    up: "mlp.shared_experts.up_proj",
    down: "mlp.shared_experts.down_proj",
};

/// What holds where the config does not say, as in the published code.
mod default {
    pub(super) const NORM_EPS: f64 = 1e-5;
    pub(super) const ROTATED: f64 = 0.5;
    pub(super) const GROUPS: usize = 8;
    pub(super) const KEPT_GROUPS: usize = 4;
    pub(super) const SCALE: f64 = 2.5;
}

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    keys.only("norm_head", &json!(false))?;
    let (mask, eos, pad) = keys.special_ids_with_mask(MASK)?;
    let width = keys.size("hidden_size")?;
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(default::NORM_EPS),
        attention: attention(keys, width)?,
        feed_forward: feed_forward(keys)?,
        head: HeadConfig { tied: keys.flag("tie_word_embeddings", false)?, ..HeadConfig::default() },
        positions_skip_padding: true,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: NAMES,
    })
}

fn attention(keys: &Keys<'_>, width: usize) -> Result<AttentionConfig, ModelError> {
    let heads = keys.size("num_attention_heads")?;
    let head_dim = keys.size_or_none("head_dim")?.unwrap_or(width / heads);
    let rope = RopeConfig::read(keys, &[RopeConfig::DEFAULT, RopeConfig::LINEAR], RopePrecision::Activation)?;
    Ok(AttentionConfig {
        heads,
        kv_heads: keys.count_or_none("num_key_value_heads")?.filter(|n| *n > 0).unwrap_or(heads),
        head_dim,
        qkv_bias: keys.flag("use_qkv_bias", false)?,
        output_bias: keys.flag("use_bias", true)?,
        rope: RopeConfig { channels: Some(rotated(keys, head_dim)?), ..rope },
        rule: Attention::BlockCausal { block: block(keys)? },
        names: ATTENTION_NAMES,
        head_norms: keys.flag("use_qk_norm", true)?.then_some(HEAD_NORMS),
    })
}

/// How many of a head's channels are rotated.
fn rotated(keys: &Keys<'_>, head_dim: usize) -> Result<usize, ModelError> {
    const KEY: &str = "partial_rotary_factor";
    let share = keys.number_or_none(KEY)?.unwrap_or(default::ROTATED);
    let channels = (head_dim as f64 * share) as usize;
    if !(2..=head_dim).contains(&channels) || !channels.is_multiple_of(2) {
        let what =
            format!("= {share} rotates {channels} of the {head_dim} channels of a head: it must be an even number");
        return Err(keys.error(KEY, what));
    }
    match keys.size_or_none("rotary_dim")? {
        Some(other) if other != channels => {
            let what = format!("= {other}, but `{KEY}` = {share} rotates {channels} of {head_dim} channels: keep one");
            Err(keys.error("rotary_dim", what))
        }
        _ => Ok(channels),
    }
}

/// Positions per block.
fn block(keys: &Keys<'_>) -> Result<usize, ModelError> {
    match (keys.size_or_none("block_size")?, keys.size_or_none("block_length")?) {
        (Some(a), Some(b)) if a != b => {
            Err(keys.error("block_length", format!("= {b}, but `block_size` = {a}: keep the one it was trained with")))
        }
        (a, b) => Ok(a.or(b).unwrap_or(BLOCK)),
    }
}

/// The part of every layer: the first ones are dense.
fn feed_forward(keys: &Keys<'_>) -> Result<Vec<FeedForwardConfig>, ModelError> {
    const FIRST: &str = "first_k_dense_replace";
    let layers = keys.layers("num_hidden_layers")?;
    let first = keys.count_or_none(FIRST)?.unwrap_or(0);
    if first > layers {
        return Err(keys.error(FIRST, format!("= {first} is more than the {layers} layers")));
    }
    let mut all = Vec::with_capacity(layers);
    if first > 0 {
        let dense =
            DenseConfig { width: keys.size("intermediate_size")?, bias: false, names: DenseNames::TRANSFORMERS };
        all.resize(first, FeedForwardConfig::Dense(dense));
    }
    if first < layers {
        all.resize(layers, FeedForwardConfig::Experts(experts(keys)?));
    }
    Ok(all)
}

/// The published code takes no other router than this one, whatever its keys say.
fn experts(keys: &Keys<'_>) -> Result<ExpertsConfig, ModelError> {
    keys.only("score_function", &json!("sigmoid"))?;
    keys.only("norm_topk_prob", &json!(true))?;
    keys.only("moe_router_enable_expert_bias", &json!(true))?;
    keys.refuse_unless("router_dtype", |v| v == "fp32" || v == "float32", "only \"fp32\"")?;
    let chosen = keys.size("num_experts_per_tok")?;
    let router = RouterConfig {
        experts: keys.size("num_experts")?,
        chosen,
        scores: RouterScores::Sigmoid,
        groups: groups(keys)?,
        normalised: chosen > 1,
        scale: keys.number_or_none("routed_scaling_factor")?.unwrap_or(default::SCALE),
        full_precision: true,
        names: ROUTER_NAMES,
    };
    let names = RouterKeys { chosen: "num_experts_per_tok", groups: "n_group", kept: "topk_group" };
    router.check(keys, names)?;
    let width = keys.size("moe_intermediate_size")?;
    let shared = keys.count_or_none("num_shared_experts")?.filter(|n| *n > 0);
    Ok(ExpertsConfig {
        router,
        list: EXPERTS,
        expert: DenseConfig { width, bias: false, names: DenseNames::OF_EXPERT },
        shared: shared.map(|n| DenseConfig { width: n * width, bias: false, names: SHARED_NAMES }),
    })
}

/// The groups of experts. One group, or null, is none.
fn groups(keys: &Keys<'_>) -> Result<Option<ExpertGroups>, ModelError> {
    if keys.has("n_group") && keys.get("n_group").is_none() {
        return Ok(None);
    }
    let count = keys.size_or_none("n_group")?.unwrap_or(default::GROUPS);
    let kept = keys.size_or_none("topk_group")?.unwrap_or(default::KEPT_GROUPS);
    if count == 1 && kept == 1 {
        return Ok(None);
    }
    Ok(Some(ExpertGroups { count, kept }))
}
