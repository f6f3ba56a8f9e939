//! Reading small text files with errors that name them.

use crate::TextError;
use serde_json::Value;
use std::path::Path;

pub(crate) fn read(path: &Path) -> Result<String, TextError> {
    std::fs::read_to_string(path).map_err(|source| TextError::Read { path: path.to_owned(), source })
}

pub(crate) fn malformed(path: &Path, what: impl ToString) -> TextError {
    TextError::Malformed { path: path.to_owned(), what: what.to_string() }
}

/// The JSON object in `path`, or `None` if there is no such file.
pub(crate) fn read_object(path: &Path) -> Result<Option<serde_json::Map<String, Value>>, TextError> {
    if !path.exists() {
        return Ok(None);
    }
    match serde_json::from_str(&read(path)?) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(_) => Err(malformed(path, "expected a JSON object")),
        Err(e) => Err(malformed(path, format!("not valid JSON: {e}"))),
    }
}

/// The text of a special token in a tokeniser file: a string, or an object with a `content`.
pub(crate) fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}
