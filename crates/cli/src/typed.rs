//! A request as the command line that asks for it, for people who want to type it themselves.

use serde::Serialize;
use serde_json::{Map, Value};

/// A command line, word by word.
pub(crate) struct Line(Vec<String>);

impl Line {
    /// The command `verb` (`["probe", "order"]`) with the flags in which `request` differs from `usual`. Flags are named
    /// like the fields.
    pub(crate) fn of<T: Serialize>(verb: &[&str], request: &T, usual: &T) -> serde_json::Result<Self> {
        let mut words: Vec<String> = std::iter::once("mosa").chain(verb.iter().copied()).map(str::to_owned).collect();
        for (field, value) in differing(request, usual)? {
            add(&mut words, &format!("--{}", field.replace('_', "-")), &value);
        }
        Ok(Self(words))
    }

    /// The same with further words behind it.
    #[must_use]
    pub(crate) fn with(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(words);
        self
    }

    /// The words, `mosa` first.
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// As a shell would have to be given it.
    pub(crate) fn quoted(&self) -> String {
        self.0.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// The fields in which a request differs from the usual one.
pub(crate) fn differing<T: Serialize>(request: &T, usual: &T) -> serde_json::Result<Map<String, Value>> {
    let (mut fields, usual) = (fields(request)?, fields(usual)?);
    fields.retain(|field, value| usual.get(field) != Some(value));
    Ok(fields)
}

fn fields(request: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_value(serde_json::to_value(request)?)
}

/// Settings are given one by one, lists with commas, switches without a value.
fn add(words: &mut Vec<String>, flag: &str, value: &Value) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => words.push(flag.to_owned()),
        Value::Array(all) if ["--set", "--defence", "--data"].contains(&flag) => {
            all.iter().for_each(|one| words.extend([flag.to_owned(), plain(one)]));
        }
        Value::Array(all) => {
            let list = all.iter().map(plain).collect::<Vec<_>>().join(",");
            words.extend([flag.to_owned(), list]);
        }
        value => words.extend([flag.to_owned(), plain(value)]),
    }
}

/// A value as it is typed: words without quotes, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_a_word_as_it_is() {
        for (word, said) in [
            ("runs/a-1.jsonl", "runs/a-1.jsonl"),
            ("two words", "'two words'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
            (", , ,", "', , ,'"),
        ] {
            assert_eq!(quoted(word), said);
        }
    }
}
