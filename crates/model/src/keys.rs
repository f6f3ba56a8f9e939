//! The keys of a config.json, read one by one: what is missing or unsupported is refused by name.

use crate::ModelError;
use crate::added_tokens::added_token;
use mosa_core::TokenId;
use serde_json::{Map, Value};
use std::path::Path;

/// Far above any model; keeps a damaged config from asking for memory.
pub(crate) const MOST_LAYERS: usize = 4096;

/// A JSON object with errors that name file and key. JSON null counts as absent.
#[derive(Debug)]
pub struct Keys<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(path: &'a Path, map: &'a Map<String, Value>) -> Self {
        Self { path, map }
    }
}

impl Keys<'_> {
    /// What is wrong with `key`, and how to fix it.
    pub fn error(&self, key: &str, what: impl ToString) -> ModelError {
        ModelError::key(self.path, key, what)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// The class name of the published code.
    ///
    /// # Errors
    /// [`ModelError::Key`] if there is none.
    pub fn architecture(&self) -> Result<&str, ModelError> {
        let list = self.get("architectures").and_then(Value::as_array);
        let first = list.and_then(|l| l.first()).and_then(Value::as_str);
        first.ok_or_else(|| {
            self.error("architectures", "is missing: it must name the model class, e.g. [\"LLaDAModelLM\"]")
        })
    }

    /// A positive integer below 2^31, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the value is another.
    pub fn size_or_none(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (1..1 << 31).contains(&n) => Ok(Some(n as usize)),
            _ => Err(self.error(key, format!("= {value} is not a positive integer"))),
        }
    }

    /// A positive integer below 2^31.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the key is absent or the value is another.
    pub fn size(&self, key: &str) -> Result<usize, ModelError> {
        self.size_or_none(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A number of blocks.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the key is absent or no model has so many.
    pub fn layers(&self, key: &str) -> Result<usize, ModelError> {
        match self.size(key)? {
            n if n > MOST_LAYERS => Err(self.cannot_be_layers(n)),
            n => Ok(n),
        }
    }

    pub(crate) fn cannot_be_layers(&self, n: usize) -> ModelError {
        self.error("n_layers / num_hidden_layers", format!("= {n} cannot be right"))
    }

    /// A number, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the value is another.
    pub fn number_or_none(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.error(key, format!("= {value} is not a number")))
    }

    /// True or false; `default` if the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the value is another.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(*b),
            Some(other) => Err(self.error(key, format!("= {other} is neither true nor false"))),
        }
    }

    /// A token id; of a list, the first.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the value is another.
    pub fn token(&self, key: &str) -> Result<Option<TokenId>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let first = value.as_array().map_or(Some(value), |l| l.first());
        let id = first.and_then(Value::as_u64).and_then(|n| TokenId::try_from(n).ok());
        id.map(Some).ok_or_else(|| self.error(key, format!("= {value} is not a token id")))
    }

    /// mask, eos, pad of a family whose configs usually name no mask id: then it is that of the token `mask` in the tokeniser
    /// files beside config.json. Without a pad id, eos serves.
    ///
    /// # Errors
    /// As [`Keys::special_ids`]; [`ModelError::File`] if a tokeniser file is damaged.
    pub fn special_ids_with_mask(&self, mask: &str) -> Result<(TokenId, TokenId, TokenId), ModelError> {
        let id = match self.token("mask_token_id")? {
            Some(id) => id,
            None => added_token(self.path.parent().unwrap_or(Path::new("")), mask)?.ok_or_else(|| {
                let what = format!(
                    "is missing, and neither tokenizer.json nor tokenizer_config.json beside it adds the token {mask}: add \
                     the files of the tokeniser, or the id"
                );
                self.error("mask_token_id", what)
            })?,
        };
        let (eos, pad) = self.ends()?;
        Ok((id, eos, pad))
    }

    /// mask, eos, pad. Without a pad id, eos serves.
    ///
    /// # Errors
    /// [`ModelError::Key`] if one of the first two is missing, or one is no token id.
    pub fn special_ids(&self) -> Result<(TokenId, TokenId, TokenId), ModelError> {
        let mask = self.token("mask_token_id")?;
        let mask = mask.ok_or_else(|| {
            let fix = "add the id of the tokeniser's mask token (<|mdm_mask|>, <|mask|> or <|MASK|>)";
            self.error("mask_token_id", format!("is missing: {fix}"))
        })?;
        let (eos, pad) = self.ends()?;
        Ok((mask, eos, pad))
    }

    /// eos and pad.
    fn ends(&self) -> Result<(TokenId, TokenId), ModelError> {
        let missing = "is missing: add the id of the tokeniser's end-of-text token";
        let eos = self.token("eos_token_id")?.ok_or_else(|| self.error("eos_token_id", missing))?;
        Ok((eos, self.token("pad_token_id")?.unwrap_or(eos)))
    }

    /// Whether the key is there, be it with the value null.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// A number of things there may be none of: below 2^31, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`ModelError::Key`] if the value is another.
    pub fn count_or_none(&self, key: &str) -> Result<Option<usize>, ModelError> {
        match self.get(key) {
            Some(value) if value.as_u64() == Some(0) => Ok(Some(0)),
            _ => self.size_or_none(key),
        }
    }

    /// Refuses any value but `wanted`, and an absent key, which the published code would take for something else.
    ///
    /// # Errors
    /// [`ModelError::Key`] if so.
    pub fn must_be(&self, key: &str, wanted: &Value) -> Result<(), ModelError> {
        match self.get(key) {
            None => {
                Err(self.error(key, format!("is missing, and the published code's default is not {wanted}: add it")))
            }
            Some(_) => self.only(key, wanted),
        }
    }

    /// Refuses any value but `wanted` (an absent key passes).
    ///
    /// # Errors
    /// [`ModelError::Key`] if so.
    pub fn only(&self, key: &str, wanted: &Value) -> Result<(), ModelError> {
        match self.get(key) {
            Some(found) if found != wanted => {
                Err(self.error(key, format!("= {found} is not supported, only {wanted}")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a value that does not fit (an absent key passes). `supported` says what would.
    ///
    /// # Errors
    /// [`ModelError::Key`] if so.
    pub fn refuse_unless(&self, key: &str, fits: impl Fn(&Value) -> bool, supported: &str) -> Result<(), ModelError> {
        match self.get(key) {
            Some(value) if !fits(value) => {
                Err(self.error(key, format!("= {} is not supported, {supported}", short(value))))
            }
            _ => Ok(()),
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}
