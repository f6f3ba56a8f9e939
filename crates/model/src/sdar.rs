//! SDAR (arXiv 2510.06303) and TraDo (arXiv 2509.06949): Qwen3 blocks whose tokens see their own block of positions and
//! those before it. Reference: modeling_sdar.py of SDAR-4B-Chat.

use crate::attention::{AttentionConfig, AttentionNames, HeadNorms};
use crate::config::{HeadConfig, ModelConfig};
use crate::dense::{DenseConfig, DenseNames};
use crate::family::FamilyReader;
use crate::feed_forward::FeedForwardConfig;
use crate::keys::Keys;
use crate::names::Names;
use crate::rope_config::{RopeConfig, RopePrecision};
use crate::{Attention, ModelError};
use mosa_core::{DefaultSampler, Family};

pub(crate) const READER: FamilyReader =
    FamilyReader { architectures: &["SDARForCausalLM"], models: "SDAR, TraDo", computes: &[], read };

const FAMILY: Family = Family {
    name: "SDAR",
    turn_ends: &["<|im_end|>"],
    sampler: DefaultSampler::BlockDiffusion { threshold_percent: 85 },
};

const NAMES: Names = Names {
    embed: "model.embed_tokens",
    blocks: "model.layers",
    attention_norm: "input_layernorm",
    feed_forward_norm: "post_attention_layernorm",
    norm: "model.norm",
    head: "lm_head",
};

const ATTENTION_NAMES: AttentionNames =
    AttentionNames { q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", o: "self_attn.o_proj" };

const HEAD_NORMS: HeadNorms = HeadNorms { q: "self_attn.q_norm", k: "self_attn.k_norm" };

const DENSE_NAMES: DenseNames = DenseNames { gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj" };

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-6;

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    let (mask, eos, pad) = keys.special_ids()?;
    let width = keys.size("hidden_size")?;
    let dense = DenseConfig { width: keys.size("intermediate_size")?, bias: false, names: DENSE_NAMES };
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        attention: attention(keys, width)?,
        feed_forward: vec![FeedForwardConfig::Dense(dense); keys.layers("num_hidden_layers")?],
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
    let bias = keys.flag("attention_bias", false)?;
    Ok(AttentionConfig {
        heads,
        kv_heads: keys.size_or_none("num_key_value_heads")?.unwrap_or(heads),
        head_dim: keys.size_or_none("head_dim")?.unwrap_or(width / heads),
        qkv_bias: bias,
        output_bias: bias,
        rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT, RopeConfig::LINEAR], RopePrecision::Activation)?,
        rule: Attention::BlockCausal { block: block_size(keys)? },
        names: ATTENTION_NAMES,
        head_norms: Some(HEAD_NORMS),
    })
}

/// Positions per block. Models of other sizes were trained from the same code, so there is no default.
fn block_size(keys: &Keys<'_>) -> Result<usize, ModelError> {
    let missing = "is missing: add the positions per block that the model was trained with (SDAR-Chat: 4)";
    keys.size_or_none("block_size")?.ok_or_else(|| keys.error("block_size", missing))
}
