//! iLLaDA (arXiv 2606.25331): LLaDA trained anew, with key heads shared by query heads and the embedding as its head, under
//! the names of transformers. Reference: modeling_illada.py of iLLaDA-8B-Instruct.

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
    FamilyReader { architectures: &["ILLaDAForCausalLM"], models: "iLLaDA", computes: &["mlp_bias"], read };

/// The end of a sentence ends a turn too.
const FAMILY: Family =
    Family { name: "iLLaDA", turn_ends: &["<[end▁of▁sentence]>"], sampler: DefaultSampler::Blocks };

/// Its config names no mask id.
const MASK: &str = "<[MASK]>";

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    keys.refuse_unless("hidden_act", |v| v == "silu" || v == "swish", "only \"silu\"")?;
    // With an epsilon of this name the published code takes layer norms.
    keys.refuse_unless("layer_norm_eps", |_| false, "only null: norms over the mean square, with `rms_norm_eps`")?;
    let (mask, eos, pad) = keys.special_ids_with_mask(MASK)?;
    let width = keys.size("hidden_size")?;
    let dense = DenseConfig {
        width: keys.size("intermediate_size")?,
        bias: keys.flag("mlp_bias", false)?,
        names: DenseNames::TRANSFORMERS,
    };
    let eps = keys.number_or_none("rms_norm_eps")?;
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("vocab_size")?,
        norm_eps: eps.ok_or_else(|| keys.error("rms_norm_eps", "is missing"))?,
        attention: attention(keys, width)?,
        feed_forward: vec![FeedForwardConfig::Dense(dense); keys.layers("num_hidden_layers")?],
        head: HeadConfig { tied: tied(keys)?, ..HeadConfig::default() },
        positions_skip_padding: false,
        max_length: keys.size("max_position_embeddings")?,
        mask,
        eos,
        pad,
        names: Names::TRANSFORMERS,
    })
}

/// Whether the head is the embedding. A config that does not say would be read one way or the other.
fn tied(keys: &Keys<'_>) -> Result<bool, ModelError> {
    const KEY: &str = "tie_word_embeddings";
    match keys.get(KEY) {
        Some(_) => keys.flag(KEY, true),
        None => Err(keys.error(KEY, "is missing: true if there is no lm_head.weight, as in iLLaDA-8B")),
    }
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
        kv_heads: keys.size("num_key_value_heads")?,
        head_dim: width / heads,
        qkv_bias: bias,
        output_bias: bias,
        // The published code refuses every scaling.
        rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT], RopePrecision::Activation)?,
        rule: Attention::Full,
        names: AttentionNames::TRANSFORMERS,
        head_norms: None,
    })
}
