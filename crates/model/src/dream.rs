//! Dream (arXiv 2508.15487) and DiffuCoder: Qwen2.5 blocks without the causal mask; row i scores position i + 1.
//! Reference: modeling_dream.py of Dream-v0-Instruct-7B.

use crate::config::{Keys, ModelConfig, Names, RopePrecision};
use crate::error::ModelError;
use crate::neutral::refuse_unless;
use crate::rope_config;
use mosa_core::Family;
use serde_json::json;

const NAMES: Names = Names {
    embed: "model.embed_tokens",
    blocks: "model.layers",
    attention_norm: "input_layernorm",
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    mlp_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    norm: "model.norm",
    head: "lm_head",
};

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-6;

pub(crate) fn config(keys: &Keys) -> Result<ModelConfig, ModelError> {
    refuse_unless(keys, "hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    // What LLaDA calls these things.
    refuse_unless(keys, "activation_type", |v| v == "silu", "only \"silu\"")?;
    keys.only("scale_logits", &json!(false))?;
    keys.only("rope", &json!(true))?;
    let tied_head = keys.flag("tie_word_embeddings", false)?;
    keys.only("weight_tying", &json!(tied_head))?;
    let rope = keys.rope(&[rope_config::DEFAULT, rope_config::LINEAR])?;
    let (mask, eos, pad) = keys.special_ids()?;
    let (width, heads) = (keys.size("hidden_size")?, keys.size("num_attention_heads")?);
    Ok(ModelConfig {
        family: Family::Dream,
        architecture: keys.architecture()?.to_owned(),
        width,
        layers: keys.size("num_hidden_layers")?,
        heads,
        kv_heads: keys.size_or_none("num_key_value_heads")?.unwrap_or(heads),
        head_dim: keys.size_or_none("head_dim")?.unwrap_or(width / heads),
        mlp_width: keys.size("intermediate_size")?,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        rope_theta: rope.theta,
        rope_factor: rope.factor,
        rope_precision: RopePrecision::Activation,
        shifted: true,
        positions_skip_padding: true,
        tied_head,
        qkv_bias: true,
        linear_bias: false,
        scaled_logits: false,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: NAMES,
    })
}
