//! Keys of config.json that change the numbers of some model: here only at the value at which they change nothing.

use crate::ModelError;
use crate::config::Keys;
use crate::rope_config::FULL;
use serde_json::Value;

/// Switches that no code of these families has on.
const OFF: [&str; 22] = [
    "alibi",
    "use_alibi",
    "attention_layer_norm",
    "qk_norm",
    "use_qk_norm",
    "qk_layernorm",
    "qk_layer_norm",
    "use_qk_layernorm",
    "input_emb_norm",
    "scale_embedding",
    "scale_embeddings",
    "normalize_embedding",
    "mlp_bias",
    "use_mrope",
    "use_sliding_window",
    "parallel_residual",
    "use_parallel_residual",
    "parallel_attn",
    "rope_interleave",
    "rope_interleaved",
    "is_causal",
    "is_encoder_decoder",
];

/// Factors that are 1 where they are not in the code.
const ONE: [&str; 11] = [
    "partial_rotary_factor",
    "rotary_pct",
    "logit_scale",
    "logits_scale",
    "logits_scaling",
    "residual_multiplier",
    "embedding_multiplier",
    "lm_head_multiplier",
    "scale_emb",
    "scale_depth",
    "width_multiplier",
];

/// Limits and other numbers that are absent where they are not in the code.
const ABSENT: [&str; 15] = [
    "clip_qkv",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "logit_softcapping",
    "logits_soft_cap",
    "attention_multiplier",
    "attention_scale",
    "query_pre_attn_scalar",
    "attention_chunk_size",
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "no_rope_layers",
    "rotary_dim",
    "rotary_emb_base",
];

/// Keys under which quantised checkpoints say how their weights are stored.
const QUANTISED: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// Refuses by name every key that asks for another computation than the one of `llada.rs` and `dream.rs`.
pub(crate) fn check(keys: &Keys) -> Result<(), ModelError> {
    for key in QUANTISED {
        if let Some(value) = keys.get(key).filter(|v| !is_empty(v)) {
            let method = value.get("quant_method").and_then(Value::as_str).unwrap_or("an unnamed method");
            let what = format!(
                "says that the weights are quantised ({method}); mosa reads F32, F16 and BF16 weights only: use the \
                 checkpoint it was made from, or dequantise it with the tool that wrote it"
            );
            return Err(keys.error(key, what));
        }
    }
    for key in OFF {
        keys.only(key, &Value::Bool(false))?;
    }
    for key in ONE {
        refuse_unless(keys, key, |v| v.as_f64() == Some(1.0), "only 1")?;
    }
    for key in ABSENT {
        refuse_unless(keys, key, |v| is_empty(v) || v.as_f64() == Some(0.0), "only null")?;
    }
    Ok(())
}

/// Refuses layers of another kind than the one these families have.
pub(crate) fn check_layers(keys: &Keys) -> Result<(), ModelError> {
    let full = |v: &Value| v.as_array().is_some_and(|all| all.iter().all(|t| t == FULL));
    refuse_unless(keys, "layer_types", full, "only full_attention in every layer")
}

/// Refuses a present key whose value is not one that `fits`.
pub(crate) fn refuse_unless(
    keys: &Keys,
    key: &str,
    fits: impl Fn(&Value) -> bool,
    supported: &str,
) -> Result<(), ModelError> {
    match keys.get(key) {
        Some(value) if !fits(value) => {
            Err(keys.error(key, format!("= {} is not supported, {supported}", short(value))))
        }
        _ => Ok(()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(b) => !b,
        _ => false,
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}
