//! What earlier versions wrote of their settings: Rust's debug output, read as the JSON that is written now.

use serde_json::{Map, Number, Value};

/// The types that are structs; every other name is one of the choices of an enum.
const STRUCTS: [&str; 3] = ["Options", "Ends", "Shape"];
/// The deepest nesting that is read.
const DEPTH: usize = 16;

/// The value of `Options { gen_length: 128, schedule: Blocks { steps: 128, block_length: 32 }, top_p: None }`: choices are
/// named in snake_case, and what they hold stands under their name. None if it is anything else than names, numbers and
/// what they make up.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return self.number();
        }
        let name = self.name()?;
        if self.take(" { ") {
            let fields = self.fields(depth)?;
            return Some(if STRUCTS.contains(&name) { fields } else { under(name, fields) });
        }
        if self.take("(") {
            let inner = self.value(depth)?;
            self.take(")").then_some(())?;
            return Some(if name == "Some" { inner } else { under(name, inner) });
        }
        Some(match name {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "None" => Value::Null,
            name => snake(name).into(),
        })
    }

    fn fields(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        loop {
            let name = self.name()?.to_owned();
            self.take(": ").then_some(())?;
            fields.insert(name, self.value(depth)?);
            if self.take(" }") {
                return Some(Value::Object(fields));
            }
            self.take(", ").then_some(())?;
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        let name = self.split(|c| c.is_ascii_alphanumeric() || c == '_');
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
    }

    fn number(&mut self) -> Option<Value> {
        let digits = self.split(|c| c.is_ascii_alphanumeric() || ".+-".contains(c));
        let whole = digits.parse::<u64>().map(Number::from);
        Some(Value::Number(match whole {
            Ok(number) => number,
            Err(_) => Number::from_f64(digits.parse().ok()?)?,
        }))
    }

    /// What there is of these characters.
    fn split(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !of(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn take(&mut self, mark: &str) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn under(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(snake(name), value)]))
}

/// `LowConfidence` is `low_confidence`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
