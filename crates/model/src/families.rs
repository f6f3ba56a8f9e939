//! The table of families, and how a config.json finds its own.

use crate::family::FamilyReader;
use crate::keys::Keys;
use crate::{ModelConfig, ModelError, dream, illada, llada, llada_moe, llada2_moe, mmada, neutral, sdar};
use serde_json::Value;
use std::path::Path;

/// The families mosa knows.
pub const FAMILIES: [FamilyReader; 8] = [
    llada::READER,
    illada::READER,
    mmada::READER,
    dream::READER,
    sdar::READER,
    sdar::READER_MOE,
    llada_moe::READER,
    llada2_moe::READER,
];

impl ModelConfig {
    /// Reads the config.json at `path`, dispatching on `architectures`.
    ///
    /// # Errors
    /// [`ModelError`] naming the key if one is missing, malformed or asks for something unsupported.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::read_with(path, &FAMILIES)
    }

    /// The same with families of the caller's choice.
    ///
    /// # Errors
    /// As [`ModelConfig::read`].
    pub fn read_with(path: &Path, families: &[FamilyReader]) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|e| ModelError::file(path, format!("not valid JSON: {e}")))?;
        let Value::Object(map) = value else { return Err(ModelError::file(path, "expected a JSON object")) };
        let keys = Keys::new(path, &map);
        let name = keys.architecture()?;
        let reader = families.iter().find(|f| f.architectures.contains(&name));
        let reader = reader.ok_or_else(|| unknown(&keys, name, families))?;
        let config = (reader.read)(&keys)?;
        config.check(&keys)?;
        neutral::check(&keys, reader.computes)?;
        Ok(config)
    }
}

fn unknown(keys: &Keys<'_>, name: &str, families: &[FamilyReader]) -> ModelError {
    let known: Vec<String> =
        families.iter().map(|f| format!("{} ({})", f.architectures.join(", "), f.models)).collect();
    let what = format!("names {name:?}, which mosa does not know; it knows {}", known.join(", "));
    keys.error("architectures", what)
}
