//! `tojson`, as transformers gives it to templates: Python's `json.dumps`, which does not escape markup.

use super::TOO_LONG;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

/// How deep a value may be nested.
const DEEPEST: usize = 200;

/// The filter: `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(state: &State, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = args.into_values();
    let kwargs = match args.pop_if(|last| last.is_kwargs()) {
        Some(named) => Kwargs::try_from(named)?,
        None => Kwargs::from_iter([] as [(&str, Value); 0]),
    };
    if args.len() > 4 {
        return Err(refused("tojson: more than four arguments"));
    }
    let mut args = args.into_iter();
    let mut given = |name: &str| -> Result<Option<Value>, Error> {
        let value = match args.next() {
            Some(value) => Some(value),
            None => kwargs.get::<Option<Value>>(name)?,
        };
        Ok(value.filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let ensure_ascii = given("ensure_ascii")?.is_some_and(|v| v.is_true());
    let indent = given("indent")?.map(|v| indent_of(&v)).transpose()?;
    let separators = given("separators")?.map(|v| separators_of(&v)).transpose()?;
    let sort_keys = given("sort_keys")?.is_some_and(|v| v.is_true());
    kwargs.assert_all_used()?;
    let comma = if indent.is_some() { "," } else { ", " };
    let (item, key) = separators.unwrap_or_else(|| (comma.into(), ": ".into()));
    let mut writer = Writer { out: String::new(), ensure_ascii, indent, item, key, sort_keys, depth: 0 };
    writer.value(value)?;
    state.consume_fuel(writer.out.len() as u64 / 16)?;
    Ok(Value::from(writer.out))
}

fn refused(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// What one level is indented by: a number of blanks, or text.
fn indent_of(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let count = i64::try_from(value.clone()).map_err(|_| refused("tojson: `indent` is neither a number nor text"))?;
    match usize::try_from(count.max(0)) {
        Ok(count) if count <= 1000 => Ok(" ".repeat(count)),
        _ => Err(refused(format!("tojson: `indent` = {count} is more than 1000"))),
    }
}

fn separators_of(value: &Value) -> Result<(String, String), Error> {
    let parts: Vec<Value> = value.try_iter()?.take(3).collect();
    match parts.as_slice() {
        [item, key] if item.as_str().is_some() && key.as_str().is_some() => Ok((item.to_string(), key.to_string())),
        _ => Err(refused("tojson: `separators` is not a pair of texts")),
    }
}

struct Writer {
    out: String,
    ensure_ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sort_keys: bool,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if self.out.len() > TOO_LONG {
            return Err(refused(format!("tojson: the result is longer than {TOO_LONG} bytes")));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.container(('[', ']'), items)?;
            }
            ValueKind::Map => {
                let mut pairs = Vec::new();
                for key in value.try_iter()? {
                    let held = value.get_item(&key)?;
                    pairs.push((Some(key), held));
                }
                if self.sort_keys {
                    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                self.container(('{', '}'), pairs)?;
            }
            other => return Err(refused(format!("tojson: a value of type {other} cannot be written as JSON"))),
        }
        Ok(())
    }

    fn container(&mut self, (open, close): (char, char), items: Vec<(Option<Value>, Value)>) -> Result<(), Error> {
        if self.depth >= DEEPEST {
            return Err(refused(format!("tojson: the value is nested more than {DEEPEST} deep")));
        }
        let empty = items.is_empty();
        self.out.push(open);
        self.depth += 1;
        for (i, (key, value)) in items.into_iter().enumerate() {
            if i > 0 {
                self.out.push_str(&self.item.clone());
            }
            self.new_line();
            if let Some(key) = key {
                self.name(&key)?;
                self.out.push_str(&self.key.clone());
            }
            self.value(&value)?;
        }
        self.depth -= 1;
        if !empty {
            self.new_line();
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(self.depth));
        }
    }

    /// The key of an object: text, or what Python writes for a number, a truth value or None.
    fn name(&mut self, key: &Value) -> Result<(), Error> {
        let text = match key.kind() {
            ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
            ValueKind::None => "null".into(),
            ValueKind::Bool => (if key.is_true() { "true" } else { "false" }).into(),
            ValueKind::Number => number(key),
            other => return Err(refused(format!("tojson: a key of type {other} cannot be written as JSON"))),
        };
        self.text(&text);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && !(' '..='~').contains(&c)) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// A number as Python's `repr` writes it.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(x) = f64::try_from(value.clone()) else { return value.to_string() };
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return (if x > 0.0 { "Infinity" } else { "-Infinity" }).into();
    }
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    format!("{x:?}")
}
