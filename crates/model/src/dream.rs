//! Dream (arXiv 2508.15487) and DiffuCoder: Qwen2.5 blocks without the causal mask; row i scores position i + 1.
//! Reference: modeling_dream.py of Dream-v0-Instruct-7B.

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
use serde_json::json;

pub(crate) const READER: FamilyReader =
    FamilyReader { architectures: &["DreamModel"], models: "Dream, DiffuCoder", computes: &[], read };

const FAMILY: Family = Family { name: "Dream", turn_ends: &["<|im_end|>"], sampler: DefaultSampler::Timesteps };

/// RMSNorm's epsilon where the config does not name one, as in the published code.
const NORM_EPS: f64 = 1e-6;

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    // What LLaDA calls these things.
    keys.refuse_unless("activation_type", |v| v == "silu", "only \"silu\"")?;
    keys.only("scale_logits", &json!(false))?;
    keys.only("rope", &json!(true))?;
    let tied_head = keys.flag("tie_word_embeddings", false)?;
    keys.only("weight_tying", &json!(tied_head))?;
    let (mask, eos, pad) = keys.special_ids()?;
    let width = keys.size("hidden_size")?;
    let dense = DenseConfig { width: keys.size("intermediate_size")?, bias: false, names: DenseNames::TRANSFORMERS };
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: keys.number_or_none("rms_norm_eps")?.unwrap_or(NORM_EPS),
        attention: attention(keys, width)?,
        feed_forward: vec![FeedForwardConfig::Dense(dense); keys.layers("num_hidden_layers")?],
        head: HeadConfig { tied: tied_head, shifted: true, ..HeadConfig::default() },
        positions_skip_padding: true,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: Names::TRANSFORMERS,
    })
}

fn attention(keys: &Keys<'_>, width: usize) -> Result<AttentionConfig, ModelError> {
    let heads = keys.size("num_attention_heads")?;
    let scalings = [RopeConfig::DEFAULT, RopeConfig::LINEAR];
    Ok(AttentionConfig {
        heads,
        kv_heads: keys.size_or_none("num_key_value_heads")?.unwrap_or(heads),
        head_dim: keys.size_or_none("head_dim")?.unwrap_or(width / heads),
        qkv_bias: true,
        output_bias: false,
        rope: RopeConfig::read(keys, &scalings, RopePrecision::Activation)?,
        rule: Attention::Full,
        names: AttentionNames::TRANSFORMERS,
        head_norms: None,
    })
}
