//! Settings files and `--set`.

use anyhow::{Context, Error, Result, anyhow, bail};
use mosa_align::AlignError;
use mosa_client::EndpointError;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A TOML file of settings. Its errors name the file and the line, and quote nothing: a line may hold what is secret.
pub(crate) struct SettingsFile {
    path: PathBuf,
    text: String,
}

impl SettingsFile {
    /// Reads the file, and refuses numbers that are none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // A text that is no TOML is left to whoever reads it.
        text.parse().map_or(Ok(()), |table| finite(&table)).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// What the file says; `what` says what it should be.
    pub(crate) fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        toml::from_str(&self.text).map_err(|error| {
            let line = error.span().map(|span| self.line(span.start));
            anyhow!("{}: not {what}: {}", self.place(line), error.message())
        })
    }

    /// An error about a setting of the file that can be read but not used; `part` is where in the file it stands.
    pub(crate) fn wrong(&self, part: Range<usize>, key: Option<&str>, error: impl Into<Error>) -> Error {
        let line = key.and_then(|key| self.set_in(part, key)).map(|at| self.line(at));
        error.into().context(self.place(line))
    }

    /// The part of the file from a header such as `[endpoint]` on; all of it if there is none.
    pub(crate) fn from(&self, header: &str) -> Range<usize> {
        self.text.find(header).unwrap_or(0)..self.text.len()
    }

    /// Where a key gets its value: `key =`, at the beginning of a line or in an inline table.
    fn set_in(&self, part: Range<usize>, key: &str) -> Option<usize> {
        let key = key.rsplit('.').next().unwrap_or(key);
        let text = self.text.get(part.clone())?;
        let is_set = |at: &usize| {
            let before = text[..*at].chars().next_back();
            let named = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '-'));
            named && text[at + key.len()..].trim_start_matches(['"', ' ', '\t']).starts_with('=')
        };
        text.match_indices(key).map(|(at, _)| at).find(is_set).map(|at| part.start + at)
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
    }

    fn place(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}, line {line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

/// The setting that an endpoint cannot be used with.
pub(crate) fn key_of(error: &EndpointError) -> Option<&'static str> {
    match error {
        EndpointError::Setting { key, .. } => Some(key),
        EndpointError::MissingKey { .. } => Some("api_key_env"),
        _ => None,
    }
}

/// Defaults, then the file, then the pairs KEY=VALUE; `check` looks at all of it together.
pub(crate) fn read<T: DeserializeOwned>(
    file: Option<&Path>,
    pairs: &[String],
    check: impl Fn(&T) -> Result<(), AlignError>,
) -> Result<T> {
    let file = file.map(SettingsFile::open).transpose()?;
    let mut table = match &file {
        Some(file) => {
            // For its errors, which know lines.
            file.read::<T>("alignment settings")?;
            file.read("alignment settings")?
        }
        None => toml::Table::new(),
    };
    overlay(&mut table, pairs)?;
    finite(&table).context("--set")?;
    let settings: T = table.try_into().map_err(|e: toml::de::Error| {
        // Its further lines say in which key.
        anyhow!("--set: {}", e.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    })?;
    check(&settings).map_err(|error| {
        let key = if let AlignError::Setting { key, .. } = &error { Some(*key) } else { None };
        let by_hand = pairs.iter().any(|pair| pair.split('=').next().map(str::trim) == key);
        match &file {
            Some(file) if !by_hand => file.wrong(0..file.text.len(), key, error),
            _ => error.into(),
        }
    })?;
    Ok(settings)
}

/// Refuses numbers that are none: TOML has nan and inf.
pub(crate) fn finite(table: &toml::Table) -> Result<()> {
    fn broken(key: &str, value: &toml::Value) -> Option<String> {
        let inside =
            |name: &str, value| broken(&if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }, value);
        match value {
            toml::Value::Float(number) if !number.is_finite() => {
                Some(format!("`{key}` = {number} is no finite number"))
            }
            toml::Value::Array(all) => all.iter().find_map(|value| broken(key, value)),
            toml::Value::Table(all) => all.iter().find_map(|(name, value)| inside(name, value)),
            _ => None,
        }
    }
    match table.iter().find_map(|(key, value)| broken(key, value)) {
        Some(what) => bail!("{what}"),
        None => Ok(()),
    }
}

/// The pairs KEY=VALUE of `--set` as a table.
pub(crate) fn pairs(pairs: &[String]) -> Result<toml::Table> {
    let mut table = toml::Table::new();
    overlay(&mut table, pairs)?;
    finite(&table).context("--set")?;
    Ok(table)
}

/// Puts pairs KEY=VALUE into a table, over what is there.
pub(crate) fn overlay(table: &mut toml::Table, pairs: &[String]) -> Result<()> {
    for pair in pairs {
        let (key, value) = pair.split_once('=').with_context(|| format!("--set {pair}: not KEY=VALUE"))?;
        set(table, key.trim(), toml_value(value.trim())).with_context(|| format!("--set {pair}"))?;
    }
    Ok(())
}

/// A TOML value; what is not one is text.
fn toml_value(text: &str) -> toml::Value {
    let parsed = format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((head, rest)) => match table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new())) {
            toml::Value::Table(inner) => set(inner, rest, value),
            _ => bail!("`{head}` is not a table"),
        },
    }
}
