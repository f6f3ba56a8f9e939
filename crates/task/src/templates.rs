//! The templates of a task file, read once and rendered for every row.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Template, UndefinedBehavior, Value, context,
    escape_formatter,
};
use regex::Regex;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Steps a rendering may take; a prompt takes a few dozen.
const FUEL: u64 = 1_000_000;

/// Templates by the key they stand under in the file.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
}

/// What templates see of a row: its columns, and `group`.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    value: Value,
    names: Vec<String>,
}

impl Scope {
    pub(crate) fn new(row: &Map<String, Json>, group: Option<&str>) -> Self {
        let value = Value::from(Serde(row));
        let value = match group {
            Some(group) => context! { group => group, ..value },
            None => value,
        };
        Self { value, names: row.keys().cloned().collect() }
    }

    /// The same, with what was found in an answer.
    pub(crate) fn with_extracted(&self, extracted: &str) -> Self {
        Self { value: context! { extracted => extracted, ..self.value.clone() }, names: self.names.clone() }
    }
}

impl Templates {
    /// None yet. What is written is what is sent: nothing is trimmed or escaped, and an unknown name is an error.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(write);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("letter", letter);
        environment.add_filter("after", after);
        environment.add_filter("before", before);
        environment.add_filter("remove", remove);
        Self { environment }
    }

    /// Reads the template that stands under `key`. Why not, with the line of the template, if it cannot be read.
    pub(crate) fn add(&mut self, key: &str, source: &str) -> Result<(), String> {
        self.environment.add_template_owned(key.to_owned(), source.to_owned()).map_err(|e| in_words(&e))
    }

    /// The columns that templates speak of.
    pub(crate) fn columns(&self) -> Vec<String> {
        let named = |(_, template): (&str, Template<'_, '_>)| template.undeclared_variables(false);
        let own = |name: &String| name == "group" || name == "extracted" || self.is_global(name);
        let all: BTreeSet<String> = self.environment.templates().flat_map(named).filter(|name| !own(name)).collect();
        all.into_iter().collect()
    }

    fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(global, _)| global == name)
    }

    /// The columns of the template under `key` that are empty in a row, and how many it has in all.
    pub(crate) fn empty(&self, key: &str, scope: &Scope) -> (Vec<String>, usize) {
        let Ok(template) = self.environment.get_template(key) else { return (Vec::new(), 0) };
        let names = template.undeclared_variables(false).into_iter().filter(|name| scope.names.contains(name));
        let mut names: Vec<String> = names.collect();
        names.sort();
        let all = names.len();
        let blank = |name: &String| {
            let value = scope.value.get_attr(name);
            value.is_ok_and(|value| value.as_str().is_some_and(|text| text.trim().is_empty()))
        };
        names.retain(blank);
        (names, all)
    }

    /// The columns that the template under `key` is made from, with what a row has there.
    pub(crate) fn cells(&self, key: &str, scope: &Scope) -> String {
        let Ok(template) = self.environment.get_template(key) else { return String::new() };
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.sort();
        let cell = |name: String| {
            let value = scope.value.get_attr(&name).ok().filter(|v| !v.is_undefined())?;
            Some(if value.is_none() {
                format!("`{name}` is null")
            } else {
                format!("`{name}` is {:?}", value.to_string())
            })
        };
        names.into_iter().filter_map(cell).collect::<Vec<_>>().join(", ")
    }

    /// What the template under `key` writes for a row; why it does not, with the columns there are.
    pub(crate) fn render(&self, key: &str, scope: &Scope) -> Result<String, String> {
        let template = self.environment.get_template(key).map_err(|e| in_words(&e))?;
        template.render(scope.value.clone()).map_err(|error| {
            let names = template.undeclared_variables(false);
            let known = |n: &String| matches!(scope.value.get_attr(n), Ok(v) if !v.is_undefined());
            let mut missing: Vec<String> = names.into_iter().filter(|n| !known(n) && !self.is_global(n)).collect();
            missing.sort();
            match (error.kind(), missing.first()) {
                (ErrorKind::OutOfFuel, _) => format!("`{key}` takes more than {FUEL} steps; it may loop for ever"),
                (_, Some(name)) => {
                    format!("there is no column `{name}`, which `{key}` names; there are: {}", scope.names.join(", "))
                }
                (kind, _) => {
                    let why = match kind {
                        ErrorKind::UndefinedError => "it has no value for what the row holds".to_owned(),
                        _ => in_words(&error),
                    };
                    let cells = self.cells(key, scope);
                    let cells = if cells.is_empty() { cells } else { format!("; {cells}") };
                    format!("`{key}`: {why}{cells}; correct the row, or the template")
                }
            }
        })
    }
}

/// Writes a value into a text. Null, a list and an object are no text: what Python calls them would be asked instead.
fn write(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let what = match value.kind() {
        ValueKind::None => "a value is null",
        ValueKind::Seq | ValueKind::Iterable => "a value is a list, not a text",
        ValueKind::Map => "a value is an object, not a text",
        _ => return escape_formatter(output, state, value),
    };
    Err(Error::new(ErrorKind::InvalidOperation, what))
}

/// A letter for a place from 0 (`1` and `1.0` are `B`); a letter stays what it is, in capitals.
fn letter(value: &Value) -> String {
    let text = value.to_string();
    let text = text.trim();
    match text.strip_suffix(".0").unwrap_or(text).parse::<u8>() {
        Ok(place) if place < 26 => char::from(b'A' + place).to_string(),
        _ => text.to_uppercase(),
    }
}

/// What stands behind the last place of `mark`.
fn after(text: &str, mark: &str) -> Result<String, Error> {
    let rest = text.rsplit_once(mark).map(|(_, rest)| rest.to_owned());
    rest.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("there is no {mark:?} in the text")))
}

/// What stands before the first place of `mark`.
fn before(text: &str, mark: &str) -> Result<String, Error> {
    let rest = text.split_once(mark).map(|(rest, _)| rest.to_owned());
    rest.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("there is no {mark:?} in the text")))
}

/// A text without what a regular expression matches.
fn remove(text: &str, pattern: &str) -> Result<String, Error> {
    let regex = Regex::new(pattern).map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))?;
    Ok(regex.replace_all(text, "").into_owned())
}

/// An error and what caused it, in a line.
fn in_words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
