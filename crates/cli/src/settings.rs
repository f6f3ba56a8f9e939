//! Settings files and `--set`.

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Defaults, then the file, then the pairs KEY=VALUE.
pub(crate) fn read<T: DeserializeOwned>(file: Option<&Path>, pairs: &[String]) -> Result<T> {
    let mut table = table(file)?;
    overlay(&mut table, pairs)?;
    let named = || file.map_or("--set".into(), |path| path.display().to_string());
    finite(&table).with_context(named)?;
    table.try_into().with_context(|| format!("{}: alignment settings", named()))
}

/// The same for a settings file, by its name. A text that is no TOML is left to whoever reads it.
pub(crate) fn finite_file(path: &Path, text: &str) -> Result<()> {
    text.parse().map_or(Ok(()), |table| finite(&table)).with_context(|| path.display().to_string())
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

fn table(file: Option<&Path>) -> Result<toml::Table> {
    Ok(match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.parse::<toml::Table>().with_context(|| format!("{}: not valid TOML", path.display()))?
        }
        None => toml::Table::new(),
    })
}

fn overlay(table: &mut toml::Table, pairs: &[String]) -> Result<()> {
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
