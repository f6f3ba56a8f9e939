//! LLaDA-MoE (arXiv 2509.24389): blocks of full attention with norms over query and key heads, whose feed-forward part is 64
//! experts behind a softmax router. Reference: modeling_lladamoe.py of LLaDA-MoE-7B-A1B-Instruct.

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
use serde_json::{Value, json};

pub(crate) const READER: FamilyReader = FamilyReader {
    architectures: &["LLaDAMoEModelLM"],
    models: "LLaDA-MoE",
    computes: &["qk_layernorm", "num_experts"],
    read,
};

const FAMILY: Family = Family { name: "LLaDA-MoE", turn_ends: &["<|role_end|>"], sampler: DefaultSampler::Blocks };

/// Its configs name no mask id.
const MASK: &str = "<|mask|>";

const ROUTER_NAMES: RouterNames = RouterNames { gate: "mlp.gate", bias: None };

const EXPERTS: &str = "mlp.experts";

const SHARED_NAMES: DenseNames =
    DenseNames { gate: "shared_expert.gate_proj", up: "shared_expert.up_proj", down: "shared_expert.down_proj" };

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-5;

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    let (mask, eos, pad) = keys.special_ids_with_mask(MASK)?;
    let width = keys.size("hidden_size")?;
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        attention: attention(keys, width)?,
        feed_forward: feed_forward(keys)?,
        head: HeadConfig { tied: keys.flag("tie_word_embeddings", false)?, ..HeadConfig::default() },
        positions_skip_padding: false,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: Names::TRANSFORMERS,
    })
}

fn attention(keys: &Keys<'_>, width: usize) -> Result<AttentionConfig, ModelError> {
    let heads = keys.size("num_attention_heads")?;
    if !width.is_multiple_of(heads) {
        return Err(AttentionConfig::uneven(keys, heads, width));
    }
    keys.only("head_dim", &json!(width / heads))?;
    let bias = keys.flag("attention_bias", false)?;
    Ok(AttentionConfig {
        heads,
        kv_heads: keys.size_or_none("num_key_value_heads")?.unwrap_or(heads),
        head_dim: width / heads,
        qkv_bias: bias,
        output_bias: bias,
        rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT, RopeConfig::LINEAR], RopePrecision::Activation)?,
        rule: Attention::Full,
        names: AttentionNames::TRANSFORMERS,
        head_norms: keys.flag("qk_layernorm", false)?.then_some(HeadNorms::TRANSFORMERS),
    })
}

/// The part of every layer: `moe_layer_freq` says which have experts.
fn feed_forward(keys: &Keys<'_>) -> Result<Vec<FeedForwardConfig>, ModelError> {
    let with_experts = with_experts(keys)?;
    let width = |key: &str, wanted: bool| if wanted { keys.size(key).map(Some) } else { Ok(None) };
    let dense = width("dense_intermediate_size", with_experts.contains(&false))?;
    let dense = dense
        .map(|width| FeedForwardConfig::Dense(DenseConfig { width, bias: false, names: DenseNames::TRANSFORMERS }));
    let experts = if with_experts.contains(&true) { Some(FeedForwardConfig::Experts(experts(keys)?)) } else { None };
    Ok(with_experts.into_iter().filter_map(|has_experts| if has_experts { experts } else { dense }).collect())
}

/// Which layers have experts.
fn with_experts(keys: &Keys<'_>) -> Result<Vec<bool>, ModelError> {
    const KEY: &str = "moe_layer_freq";
    let layers = keys.layers("num_hidden_layers")?;
    let list = keys.get(KEY).and_then(Value::as_array).ok_or_else(|| {
        keys.error(KEY, "is missing or no list: it says for every layer whether it has experts (1) or is dense (0)")
    })?;
    if list.len() != layers {
        return Err(keys.error(KEY, format!("has {} entries, but `num_hidden_layers` = {layers}", list.len())));
    }
    let has_experts = |entry: &Value| match entry.as_u64() {
        Some(n @ (0 | 1)) => Ok(n == 1),
        _ => Err(keys.error(KEY, format!("has the entry {entry}, which is neither 0 nor 1"))),
    };
    list.iter().map(has_experts).collect()
}

/// The published code takes no other router than this one, whatever its keys say.
fn experts(keys: &Keys<'_>) -> Result<ExpertsConfig, ModelError> {
    keys.only("moe_router_score_function", &json!("softmax"))?;
    keys.only("moe_router_enable_expert_bias", &json!(false))?;
    keys.only("norm_topk_prob", &json!(false))?;
    keys.refuse_unless("routed_scaling_factor", |v| v.as_f64() == Some(1.0), "only 1")?;
    for key in ["router_num_group", "router_topk_group"] {
        keys.refuse_unless(key, |_| false, "only null")?;
    }
    let router = RouterConfig {
        experts: keys.size("num_experts")?,
        chosen: keys.size("num_experts_per_tok")?,
        scores: RouterScores::Softmax,
        groups: None,
        normalised: false,
        scale: 1.0,
        full_precision: false,
        names: ROUTER_NAMES,
    };
    let names = RouterKeys { chosen: "num_experts_per_tok", groups: "router_num_group", kept: "router_topk_group" };
    router.check(keys, names)?;
    let shared = keys.size_or_none("shared_expert_intermediate_size")?;
    Ok(ExpertsConfig {
        router,
        list: EXPERTS,
        expert: DenseConfig {
            width: keys.size("expert_intermediate_size")?,
            bias: false,
            names: DenseNames::OF_EXPERT,
        },
        shared: shared.map(|width| DenseConfig { width, bias: false, names: SHARED_NAMES }),
    })
}
