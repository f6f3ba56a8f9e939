//! A defence as it is typed: `NAME:key=value,key=value`.

use crate::DefenceError;
use serde_json::{Map, Value};
use std::str::FromStr;

/// Name and settings, not yet checked by the defence.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The name.
    pub name: String,
    /// The settings that are given: numbers, true, false and what stands in brackets or quotes as JSON, all else as text.
    pub settings: Map<String, Value>,
}

impl FromStr for Spec {
    type Err = DefenceError;

    fn from_str(typed: &str) -> Result<Self, DefenceError> {
        let wrong = |what: String| DefenceError::Spec { typed: typed.to_owned(), what };
        let (name, rest) = typed.split_once(':').unwrap_or((typed, ""));
        if name.trim().is_empty() {
            return Err(wrong("there is no name".into()));
        }
        let mut settings = Map::new();
        for pair in pairs(rest).into_iter().filter(|pair| !pair.trim().is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(wrong(format!("{pair:?} has no value")));
            };
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            if settings.insert(key.trim().to_owned(), value).is_some() {
                return Err(wrong(format!("{:?} is there twice", key.trim())));
            }
        }
        Ok(Self { name: name.trim().to_owned(), settings })
    }
}

/// The text between commas that stand in no bracket and no quote.
fn pairs(text: &str) -> Vec<String> {
    let (mut all, mut depth, mut quoted) = (vec![String::new()], 0i32, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if c == ',' && depth <= 0 && !quoted {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_numbers_lists_and_words() {
        let spec: Spec = "a:x=0.5,file=here/it.safetensors,list=[1,2],say=\"a, b\",on=true".parse().unwrap();
        let said = json!({"x": 0.5, "file": "here/it.safetensors", "list": [1, 2], "say": "a, b", "on": true});
        assert_eq!((spec.name.as_str(), Value::Object(spec.settings)), ("a", said));
        assert_eq!("plain".parse::<Spec>().unwrap().settings.len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (typed, what) in [(":x=1", "no name"), ("a:x", "no value"), ("a:x=1,x=2", "twice")] {
            let error = typed.parse::<Spec>().unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("NAME:key=value"), "{error}");
        }
    }
}
