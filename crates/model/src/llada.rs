//! LLaDA (arXiv 2502.09992): bidirectional Llama blocks with OLMo's names. Reference: modeling_llada.py of
//! LLaDA-8B-Instruct.

use crate::config::{Keys, ModelConfig, Names, RopePrecision};
use crate::error::ModelError;
use mosa_core::Family;
use serde_json::json;

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

pub(crate) fn config(keys: &Keys, family: Family) -> Result<ModelConfig, ModelError> {
    for (key, wanted) in [
        ("activation_type", json!("silu")),
        ("block_type", json!("llama")),
        ("layer_norm_type", json!("rms")),
        ("rope", json!(true)),
        ("alibi", json!(false)),
        ("attention_layer_norm", json!(false)),
        ("input_emb_norm", json!(false)),
        ("layer_norm_with_affine", json!(true)),
        ("bias_for_layer_norm", json!(false)),
        ("block_group_size", json!(1)),
    ] {
        keys.only(key, &wanted)?;
    }
    let (mask, eos, pad) = keys.special_ids()?;
    let (width, heads) = (keys.size("d_model")?, keys.size("n_heads")?);
    let one_kv_head = keys.flag("multi_query_attention", false)?;
    let kv_heads = keys.size_or_none("n_kv_heads")?.unwrap_or(if one_kv_head { 1 } else { heads });
    let mlp_width = match keys.size_or_none("mlp_hidden_size")? {
        Some(n) => n,
        None => keys.size("mlp_ratio")? * width,
    };
    let vocab = match keys.size_or_none("embedding_size")? {
        Some(n) => n,
        None => keys.size("vocab_size")?,
    };
    let linear_bias = keys.flag("include_bias", false)?;
    Ok(ModelConfig {
        family,
        architecture: keys.architecture()?.to_owned(),
        width,
        layers: keys.size("n_layers")?,
        heads,
        kv_heads,
        head_dim: width / heads,
        mlp_width,
        vocab,
        norm_eps: keys.number("rms_norm_eps")?,
        rope_theta: keys.number("rope_theta")?,
        rope_precision: if keys.flag("rope_full_precision", true)? {
            RopePrecision::Full
        } else {
            RopePrecision::Activation
        },
        shifted: false,
        positions_skip_padding: false,
        tied_head: keys.flag("weight_tying", false)?,
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
