//! LLaDA (arXiv 2502.09992): bidirectional Llama blocks with OLMo's names. Reference: modeling_llada.py of
//! LLaDA-8B-Instruct.

use crate::config::{Keys, ModelConfig, Names, RopePrecision};
use crate::error::ModelError;
use crate::neutral::refuse_unless;
use crate::rope_config;
use mosa_core::Family;
use serde_json::{Value, json};

/// `ff_proj` is the gate; the head shares the leaf name `ff_out` with the down projection of every block.
const NAMES: Names = Names {
    embed: "model.transformer.wte",
    blocks: "model.transformer.blocks",
    attention_norm: "attn_norm",
    q: "q_proj",
    k: "k_proj",
    v: "v_proj",
    o: "attn_out",
    mlp_norm: "ff_norm",
    gate: "ff_proj",
    up: "up_proj",
    down: "ff_out",
    norm: "model.transformer.ln_f",
    head: "model.transformer.ff_out",
};

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

pub(crate) fn config(keys: &Keys, family: Family) -> Result<ModelConfig, ModelError> {
    for (key, wanted) in required() {
        keys.must_be(key, &wanted)?;
    }
    keys.only("layer_norm_with_affine", &json!(true))?;
    keys.only("block_group_size", &json!(1))?;
    refuse_other_words(keys)?;
    let (mask, eos, pad) = keys.special_ids()?;
    let (width, heads) = (keys.size("d_model")?, keys.size("n_heads")?);
    let mlp_width = match keys.size_or_none("mlp_hidden_size")? {
        Some(n) => n,
        None => keys.size("mlp_ratio")? * width,
    };
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
    let rope = keys.rope(&[rope_config::DEFAULT])?;
    Ok(ModelConfig {
        family,
        architecture: keys.architecture()?.to_owned(),
        width,
        layers: keys.size("n_layers")?,
        heads,
        kv_heads: kv_heads(keys, heads)?,
        head_dim: width / heads,
        mlp_width,
        vocab,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        rope_theta: rope.theta,
        rope_factor: rope.factor,
        rope_precision: if keys.flag("rope_full_precision", true)? {
            RopePrecision::Full
        } else {
            RopePrecision::Activation
        },
        shifted: false,
        positions_skip_padding: false,
        tied_head: tied_head(keys)?,
        qkv_bias: linear_bias || keys.flag("include_qkv_bias", false)?,
        linear_bias,
        scaled_logits: keys.flag("scale_logits", false)?,
        max_length: keys.size("max_sequence_length")?,
        mask,
        eos,
        pad,
        names: NAMES,
    })
}

/// `n_kv_heads`, or what `multi_query_attention` says. The published code allows both only where they agree.
fn kv_heads(keys: &Keys, heads: usize) -> Result<usize, ModelError> {
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

fn tied_head(keys: &Keys) -> Result<bool, ModelError> {
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
fn refuse_other_words(keys: &Keys) -> Result<(), ModelError> {
    refuse_unless(keys, "hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    for key in ["attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"] {
        refuse_unless(keys, key, |v| v == false, "only false: this family says `include_bias` and `include_qkv_bias`")?;
    }
    if keys.get("use_sliding_window").is_none() {
        refuse_unless(keys, "sliding_window", |_| false, "only null")?;
    }
    let width = keys.size("d_model")? / keys.size("n_heads")?;
    refuse_unless(keys, "head_dim", |v| v.as_u64() == Some(width as u64), "only d_model / n_heads")
}
