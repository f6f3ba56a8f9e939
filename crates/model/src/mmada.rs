//! MMaDA, text side (arXiv 2505.15809): LLaDA's body with image codes after the text vocabulary. Reference:
//! modeling_mmada.py of MMaDA-8B.

use crate::config::{Keys, ModelConfig};
use crate::error::ModelError;
use crate::llada;
use mosa_core::Family;

pub(crate) fn config(keys: &Keys) -> Result<ModelConfig, ModelError> {
    let mut config = llada::config(keys, Family::Mmada)?;
    if keys.size_or_none("embedding_size")?.is_none()
        && let Some(rows) = keys.size_or_none("new_vocab_size")?
    {
        config.vocab = rows;
    }
    Ok(config)
}
