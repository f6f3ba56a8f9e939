//! LLaDA (arXiv 2502.09992): bidirectional Llama blocks with OLMo's names. Reference: modeling_llada.py of
//! LLaDA-8B-Instruct.

use crate::attention::{AttentionConfig, AttentionNames};
use crate::config::{HeadConfig, ModelConfig};
use crate::dense::{DenseConfig, DenseNames};
use crate::family::FamilyReader;
use crate::feed_forward::FeedForwardConfig;
use crate::keys::Keys;
use crate::names::Names;
use crate::rope_config::{RopeConfig, RopePrecision};
use crate::{Attention, ModelError};
use mosa_core::{DefaultSampler, Family};
use serde_json::{Value, json};

pub(crate) const READER: FamilyReader =
    FamilyReader { architectures: &["LLaDAModelLM"], models: "LLaDA", computes: &[], read };

const FAMILY: Family = Family { name: "LLaDA", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks };

/// The head shares the leaf name `ff_out` with the down projection of every block.
const NAMES: Names = Names {
    embed: "model.transformer.wte",
    blocks: "model.transformer.blocks",
    attention_norm: "attn_norm",
    feed_forward_norm: "ff_norm",
    norm: "model.transformer.ln_f",
    head: "model.transformer.ff_out",
};

const ATTENTION_NAMES: AttentionNames = AttentionNames { q: "q_proj", k: "k_proj", v: "v_proj", o: "attn_out" };

/// `ff_proj` is the gate.
const DENSE_NAMES: DenseNames = DenseNames { gate: "ff_proj", up: "up_proj", down: "ff_out" };

/// The values of keys whose default in the published code is another one.
fn required() -> [(&'static str, Value); 4] {
    [
        ("activation_type", json!("silu")),
        ("block_type", json!("llama")),
        ("layer_norm_type", json!("rms")),
        ("rope", json!(true)),
    ]
}

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-5;

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    config(keys, FAMILY)
}

/// The shape of a model with LLaDA's body.
pub(crate) fn config(keys: &Keys<'_>, family: Family) -> Result<ModelConfig, ModelError> {
    for (key, wanted) in required() {
        keys.must_be(key, &wanted)?;
    }
    keys.only("layer_norm_with_affine", &json!(true))?;
    keys.only("block_group_size", &json!(1))?;
    refuse_other_words(keys)?;
    let (mask, eos, pad) = keys.special_ids()?;
    let width = keys.size("d_model")?;
    let vocab = match keys.size_or_none("embedding_size")? {
        Some(n) => n,
        None => keys.size("vocab_size")?,
    };
    let linear_bias = keys.flag("include_bias", false)?;
    // Where it is absent, norms have a bias if linear layers have one.
    if keys.flag("bias_for_layer_norm", linear_bias)? {
        return Err(
            keys.error("bias_for_layer_norm", "asks for biases in the norms, which is not supported, only false")
        );
    }
    let dense = DenseConfig { width: dense_width(keys, width)?, bias: linear_bias, names: DENSE_NAMES };
    Ok(ModelConfig {
        family,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        attention: attention(keys, width, linear_bias)?,
        feed_forward: vec![FeedForwardConfig::Dense(dense); keys.layers("n_layers")?],
        head: HeadConfig {
            tied: tied_head(keys)?,
            bias: linear_bias,
            scaled: keys.flag("scale_logits", false)?,
            shifted: false,
        },
        positions_skip_padding: false,
        max_length: keys.size("max_sequence_length")?,
        mask,
        eos,
        pad,
        names: NAMES,
    })
}

fn attention(keys: &Keys<'_>, width: usize, linear_bias: bool) -> Result<AttentionConfig, ModelError> {
    let heads = keys.size("n_heads")?;
    if !width.is_multiple_of(heads) {
        return Err(AttentionConfig::uneven(keys, heads, width));
    }
    let full = keys.flag("rope_full_precision", true)?;
    let precision = if full { RopePrecision::Full } else { RopePrecision::Activation };
    Ok(AttentionConfig {
        heads,
        kv_heads: kv_heads(keys, heads)?,
        head_dim: width / heads,
        qkv_bias: linear_bias || keys.flag("include_qkv_bias", false)?,
        output_bias: linear_bias,
        rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT], precision)?,
        rule: Attention::Full,
        names: ATTENTION_NAMES,
        head_norms: None,
    })
}

fn dense_width(keys: &Keys<'_>, width: usize) -> Result<usize, ModelError> {
    match keys.size_or_none("mlp_hidden_size")? {
        Some(n) => Ok(n),
        None => Ok(keys.size("mlp_ratio")? * width),
    }
}

/// `n_kv_heads`, or what `multi_query_attention` says. The published code allows both only where they agree.
fn kv_heads(keys: &Keys<'_>, heads: usize) -> Result<usize, ModelError> {
    let by_flag = match keys.get("multi_query_attention") {
        None => None,
        Some(_) => Some(if keys.flag("multi_query_attention", false)? { 1 } else { heads }),
    };
    match (keys.size_or_none("n_kv_heads")?, by_flag) {
        (Some(n), Some(other)) if n != other => Err(keys.error(
            "n_kv_heads",
            format!("= {n}, but `multi_query_attention` asks for {other}: set `multi_query_attention` to null"),
        )),
        (n, other) => Ok(n.or(other).unwrap_or(heads)),
    }
}

fn tied_head(keys: &Keys<'_>) -> Result<bool, ModelError> {
    if keys.get("weight_tying").is_none() {
        let what = "is missing: say whether the output layer is the embedding (LLaDA-8B: false; the published code's \
                    default is true)";
        return Err(keys.error("weight_tying", what));
    }
    let tied = keys.flag("weight_tying", true)?;
    if keys.flag("tie_word_embeddings", tied)? != tied {
        return Err(
            keys.error("tie_word_embeddings", format!("contradicts `weight_tying` = {tied}: remove one of them"))
        );
    }
    Ok(tied)
}

/// What other families call these things, where it says something else than this family's own keys.
fn refuse_other_words(keys: &Keys<'_>) -> Result<(), ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    for key in ["attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"] {
        keys.refuse_unless(key, |v| v == false, "only false: this family says `include_bias` and `include_qkv_bias`")?;
    }
    if keys.get("use_sliding_window").is_none() {
        keys.refuse_unless("sliding_window", |_| false, "only null")?;
    }
    let width = keys.size("d_model")? / keys.size("n_heads")?;
    keys.refuse_unless("head_dim", |v| v.as_u64() == Some(width as u64), "only d_model / n_heads")
}
