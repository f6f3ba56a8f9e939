//! Dream (arXiv 2508.15487) and DiffuCoder: Qwen2.5 blocks without the causal mask; row i scores position i + 1.
//! Reference: modeling_dream.py of Dream-v0-Instruct-7B.

use crate::config::{Keys, ModelConfig, Names, RopePrecision};
use crate::error::ModelError;
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

pub(crate) fn config(keys: &Keys) -> Result<ModelConfig, ModelError> {
    for (key, wanted) in
        [("hidden_act", json!("silu")), ("use_sliding_window", json!(false)), ("use_mrope", json!(false))]
    {
        keys.only(key, &wanted)?;
    }
    if let Some(scaling) = keys.get("rope_scaling") {
        return Err(keys.error("rope_scaling", format!("= {scaling} is not supported, only null")));
    }
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
        norm_eps: keys.number("rms_norm_eps")?,
        rope_theta: keys.number("rope_theta")?,
        rope_precision: RopePrecision::Activation,
        shifted: true,
        positions_skip_padding: true,
        tied_head: keys.flag("tie_word_embeddings", false)?,
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
