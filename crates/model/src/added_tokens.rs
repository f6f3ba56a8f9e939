//! Tokens that the tokeniser files beside a config.json add: where ids stand that the config does not name.

use crate::ModelError;
use mosa_core::TokenId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// tokenizer.json, as far as it is read here.
#[derive(Deserialize)]
struct Tokenizer {
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Added {
    id: TokenId,
    content: String,
}

/// tokenizer_config.json, as far as it is read here.
#[derive(Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    added_tokens_decoder: BTreeMap<TokenId, Decoded>,
}

#[derive(Deserialize)]
struct Decoded {
    content: String,
}

/// The id of the added token `text` in the tokeniser files of the folder `dir`: tokenizer.json's word, else that of
/// tokenizer_config.json.
///
/// # Errors
/// [`ModelError::File`] if one of the files is there and cannot be read.
pub(crate) fn added_token(dir: &Path, text: &str) -> Result<Option<TokenId>, ModelError> {
    let tokenizer: Option<Tokenizer> = read(&dir.join("tokenizer.json"))?;
    let added = tokenizer.into_iter().flat_map(|t| t.added_tokens).find(|t| t.content == text);
    if let Some(added) = added {
        return Ok(Some(added.id));
    }
    let config: Option<TokenizerConfig> = read(&dir.join("tokenizer_config.json"))?;
    let decoded = config.into_iter().flat_map(|c| c.added_tokens_decoder).find(|(_, t)| t.content == text);
    Ok(decoded.map(|(id, _)| id))
}

/// What a file says, if it is there.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ModelError> {
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| ModelError::io(path, e))?,
    };
    let said = serde_json::from_slice(&bytes);
    said.map(Some).map_err(|e| ModelError::file(path, format!("is not what a tokeniser writes: {e}")))
}
