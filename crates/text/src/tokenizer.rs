//! The checkpoint's tokeniser.

use crate::{TextError, files, qwen};
use mosa_core::TokenId;
use std::path::Path;

/// What to do with special tokens when decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// Print them.
    Keep,
    /// Leave them out.
    Skip,
}

/// Words to ids and back, as the checkpoint's own tokeniser does it.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads tokenizer.json, or builds the byte-level BPE of a folder that only has vocab.json and merges.txt (Dream).
    ///
    /// # Errors
    /// [`TextError`] if neither is there or a file is malformed.
    pub fn load(dir: &Path) -> Result<Self, TextError> {
        let path = dir.join("tokenizer.json");
        if path.exists() {
            let text = files::read(&path)?;
            let inner = text.parse::<tokenizers::Tokenizer>().map_err(|e| files::malformed(&path, e))?;
            return Ok(Self { inner });
        }
        if dir.join("vocab.json").exists() && dir.join("merges.txt").exists() {
            return Ok(Self { inner: qwen::build(dir)? });
        }
        Err(TextError::NoTokenizer { dir: dir.to_owned() })
    }

    /// The ids of `text`. No special tokens are added; special-token strings inside the text become special ids, as
    /// in the published code.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the tokeniser fails.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| TextError::Encode(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of `text` as the tokeniser's default call gives them, its post-processor included.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the tokeniser fails.
    pub fn encode_default(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        let encoding = self.inner.encode_fast(text, true).map_err(|e| TextError::Encode(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`; ids the tokeniser does not know are left out.
    ///
    /// # Errors
    /// [`TextError::Decode`] if the tokeniser fails.
    pub fn decode(&self, ids: &[TokenId], specials: Specials) -> Result<String, TextError> {
        self.inner.decode(ids, specials == Specials::Skip).map_err(|e| TextError::Decode(e.to_string()))
    }

    /// The id of a token by its exact string.
    pub fn token_id(&self, token: &str) -> Option<TokenId> {
        self.inner.token_to_id(token)
    }

    /// The string of an id.
    pub fn token(&self, id: TokenId) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Number of tokens, special ones included.
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}
