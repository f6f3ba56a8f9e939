//! By how much the stages of a tokeniser can lengthen a text.

use serde_json::Value;

/// A text of n bytes becomes one of at most `factor * n + more` bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    pub(crate) factor: f64,
    pub(crate) more: f64,
}

impl Growth {
    const NONE: Self = Self { factor: 1.0, more: 0.0 };

    fn by(factor: f64) -> Self {
        Self { factor, more: 0.0 }
    }

    /// That of a stage of tokenizer.json (`normalizer` or `decoder`) and everything in it.
    pub(crate) fn of(stage: &Value) -> Self {
        let text = |key: &str| stage.get(key).and_then(Value::as_str).map_or(0.0, |s| s.len() as f64);
        match stage.get("type").and_then(Value::as_str) {
            None => Self::NONE,
            Some("Sequence") => {
                let parts = stage.get("normalizers").or_else(|| stage.get("decoders")).and_then(Value::as_array);
                parts.into_iter().flatten().fold(Self::NONE, |all, part| all.then(Self::of(part)))
            }
            Some("Replace") => Self::replace(stage.get("pattern"), text("content")),
            Some("Prepend") => Self { factor: 1.0, more: text("prepend") },
            Some("NFC" | "NFD" | "Metaspace") => Self::by(3.0),
            Some("NFKC" | "NFKD" | "Precompiled") => Self::by(11.0),
            Some("Lowercase" | "ByteLevel") => Self::by(2.0),
            Some("BertNormalizer") => Self::by(8.0),
            Some("Strip" | "StripAccents" | "Nmt" | "Fuse" | "ByteFallback") => Self::NONE,
            Some(_) => Self::by(4.0),
        }
    }

    /// Every match of the pattern is replaced; an expression may match nothing, at every place.
    fn replace(pattern: Option<&Value>, content: f64) -> Self {
        match pattern.and_then(|p| p.get("String")).and_then(Value::as_str).map(str::len) {
            Some(length) if length > 0 => Self::by((content / length as f64).max(1.0)),
            _ => Self { factor: content + 1.0, more: content },
        }
    }

    fn then(self, next: Self) -> Self {
        Self { factor: self.factor * next.factor, more: self.more * next.factor + next.more }
    }

    /// The most bytes a text of `bytes` becomes.
    pub(crate) fn most(self, bytes: usize) -> f64 {
        self.factor * bytes as f64 + self.more
    }
}

/// The regular expressions in a stage of tokenizer.json.
pub(crate) fn patterns(stage: &Value, into: &mut Vec<String>) {
    match stage {
        Value::Object(map) => {
            into.extend(map.get("Regex").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|v| patterns(v, into));
        }
        Value::Array(list) => list.iter().for_each(|v| patterns(v, into)),
        _ => {}
    }
}
