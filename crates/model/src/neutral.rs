//! Keys of config.json that change the numbers of some model: only at the value at which they change nothing, unless the
//! family computes with them.

use crate::ModelError;
use crate::keys::Keys;
use serde_json::Value;

/// Switches that are off in most families.
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

/// Refuses by name every key that asks for a computation that no part of the model has, but for those that the family
/// `computes` with.
pub(crate) fn check(keys: &Keys<'_>, computes: &[&str]) -> Result<(), ModelError> {
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
    let others = |key: &&str| !computes.contains(key);
    for key in OFF.into_iter().filter(others) {
        keys.only(key, &Value::Bool(false))?;
    }
    for key in ONE.into_iter().filter(others) {
        keys.refuse_unless(key, |v| v.as_f64() == Some(1.0), "only 1")?;
    }
    for key in ABSENT.into_iter().filter(others) {
        keys.refuse_unless(key, |v| is_empty(v) || v.as_f64() == Some(0.0), "only null")?;
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(b) => !b,
        _ => false,
    }
}
