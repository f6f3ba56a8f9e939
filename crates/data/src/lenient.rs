//! Numbers as other programs write them: as text, or whole ones with a decimal point.

use crate::read::number as whole;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// A whole number that must be there.
pub(crate) fn count<'de, D: Deserializer<'de>, N: TryFrom<usize>>(deserializer: D) -> Result<N, D::Error> {
    let value = Value::deserialize(deserializer)?;
    of(&value).ok_or_else(|| D::Error::custom(format!("{value} is not a whole number")))
}

/// A whole number, or nothing.
pub(crate) fn optional<'de, D: Deserializer<'de>, N: TryFrom<usize>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() || value.as_str().is_some_and(|s| s.trim().is_empty()) {
        return Ok(None);
    }
    of(&value).map(Some).ok_or_else(|| D::Error::custom(format!("{value} is not a whole number")))
}

fn of<N: TryFrom<usize>>(value: &Value) -> Option<N> {
    whole(value).and_then(|n| N::try_from(n).ok())
}

/// Any number.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = value.as_f64().or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
    read.ok_or_else(|| D::Error::custom(format!("{value} is not a number")))
}

/// True or false, also as a number or a word.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let word = value.as_str().map_or_else(|| value.to_string(), |s| s.trim().to_lowercase());
    match word.as_str() {
        "true" | "1" | "1.0" | "yes" => Ok(true),
        "false" | "0" | "0.0" | "no" => Ok(false),
        _ => Err(D::Error::custom(format!("{value} is neither true nor false"))),
    }
}
