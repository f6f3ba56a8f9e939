//! MMaDA, text side (arXiv 2505.15809): LLaDA's body with image codes after the text vocabulary. Reference:
//! modeling_mmada.py of MMaDA-8B.

use crate::config::ModelConfig;
use crate::error::ModelError;
use crate::family::FamilyReader;
use crate::keys::Keys;
use crate::llada;
use mosa_core::{DefaultSampler, Family};

pub(crate) const READER: FamilyReader =
    FamilyReader { architectures: &["MMadaModelLM"], models: "MMaDA", computes: &[], read };

const FAMILY: Family = Family { name: "MMaDA", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks };

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    let mut config = llada::config(keys, FAMILY)?;
    if keys.size_or_none("embedding_size")?.is_none()
        && let Some(rows) = keys.size_or_none("new_vocab_size")?
    {
        config.vocab = rows;
    }
    Ok(config)
}
