//! Reading a benchmark from the file it is published in.

use crate::pairing::{self, Pairing};
use crate::{Behaviour, Benchmark, DataError, Functional, Kind, Label, json, targets};
use mosa_text::{Columns, Prompt, PromptRecord, Row, parse_rows, prompts_of};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a benchmark file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Columns of a table that is no known benchmark, or other ones than the benchmark's own.
    pub columns: Columns,
    /// Which of HarmBench's functional categories are kept. Without copyright by default: its rows are not scored by a
    /// judge.
    pub subsets: Vec<Functional>,
    /// HarmBench's `optimizer_targets` file: a JSON object of targets by `BehaviorID`.
    pub targets: Option<PathBuf>,
    /// What happens to AdvBench's mis-paired targets.
    pub pairing: Pairing,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            subsets: vec![Functional::Standard, Functional::Contextual],
            targets: None,
            pairing: Pairing::default(),
        }
    }
}

impl From<Columns> for ReadOptions {
    fn from(columns: Columns) -> Self {
        Self { columns, ..Self::default() }
    }
}

/// Reads a benchmark: JSONL, a JSON array or CSV, recognised by its columns (see [`Kind`]).
///
/// # Errors
/// [`DataError`] if the file cannot be read, a row lacks what it needs, an id appears twice, or nothing is left.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Benchmark, DataError> {
    let bytes = std::fs::read(path).map_err(|e| DataError::file(path, e))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| DataError::malformed(path, format!("not UTF-8: {e}")))?;
    let mut rows = parse_rows(path, text)?;
    if rows.is_empty() {
        return Err(empty(path, "the file has no rows; give the complete file"));
    }
    let mut notes = Vec::new();
    let kind = Kind::of(&rows, &options.columns);
    notes.extend(drop_null_turns(kind, &mut rows));
    if rows.is_empty() {
        return Err(empty(path, "all rows have null turns; give the complete file"));
    }
    let columns = over(&options.columns, kind.columns());
    let records = prompts_of(path, &rows, &columns, true)?;
    let mut behaviours = Vec::with_capacity(records.len());
    for (index, ((line, row), record)) in rows.iter().zip(records).enumerate() {
        let at = |what: String| DataError::malformed(path, format!("line {line}: {what}"));
        let mut behaviour = behaviour(kind, row, record, index).map_err(at)?;
        behaviour.id = id_of(kind, behaviour.id, index, &options.columns).map_err(at)?;
        behaviours.push(behaviour);
    }
    if kind == Kind::AdvBench {
        notes.extend(pairing::check(&mut behaviours, options.pairing));
    }
    notes.extend(keep_subsets(path, &mut behaviours, &options.subsets)?);
    if let Some(file) = &options.targets {
        notes.push(targets::join(file, &mut behaviours)?);
    }
    Ok(Benchmark { kind, behaviours, sha256: json::hex(&Sha256::digest(&bytes)), notes })
}

fn empty(path: &Path, why: impl Into<String>) -> DataError {
    DataError::Empty { path: path.to_owned(), why: why.into() }
}

/// What the user names, before what the kind knows.
fn over(user: &Columns, own: Columns) -> Columns {
    Columns {
        prompt: user.prompt.clone().or(own.prompt),
        id: user.id.clone().or(own.id),
        response: user.response.clone().or(own.response),
        style: user.style.clone().or(own.style),
        category: user.category.clone().or(own.category),
    }
}

/// SORRY-Bench's 202503 release has four rows with null turns.
fn drop_null_turns(kind: Kind, rows: &mut Vec<(usize, Row)>) -> Option<String> {
    if kind != Kind::SorryBench {
        return None;
    }
    let null = |row: &Row| match row.get("turns") {
        None | Some(Value::Null) => true,
        Some(Value::Array(turns)) => turns.is_empty() || turns.iter().all(Value::is_null),
        Some(_) => false,
    };
    let lines: Vec<String> = rows.iter().filter(|(_, r)| null(r)).map(|(line, _)| line.to_string()).collect();
    rows.retain(|(_, row)| !null(row));
    (!lines.is_empty()).then(|| format!("{} rows with null turns skipped (lines {})", lines.len(), lines.join(", ")))
}

/// The behaviour of one row; what the prompt reader does not know is taken from the row itself.
fn behaviour(kind: Kind, row: &Row, record: PromptRecord, row_index: usize) -> Result<Behaviour, String> {
    if row.contains_key("ImageFileName") {
        return Err("a multimodal behaviour (column `ImageFileName`); only text behaviours are supported".into());
    }
    let of = |name: &str| row.get(name).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned);
    let index = match (kind, row.get("Index")) {
        (Kind::JailbreakBench, Some(v)) => number(v).ok_or_else(|| format!("`Index` is {v}, not a number"))?,
        _ => row_index,
    };
    let label = match of("label").filter(|_| kind == Kind::XsTest) {
        None => None,
        Some(name) => Some(label(&name)?),
    };
    Ok(Behaviour {
        id: record.id,
        index,
        text: text(record.prompt)?,
        context: of("ContextString").or_else(|| of("context").filter(|_| kind == Kind::Plain)),
        category: record.category,
        functional: of("FunctionalCategory").map(|name| functional(&name)).transpose()?,
        tags: of("Tags").map(|tags| tags.split(", ").map(str::to_owned).collect()).unwrap_or_default(),
        target: record.response,
        style: record.style,
        source: of("source").or_else(|| of("Source")),
        label,
    })
}

fn number(value: &Value) -> Option<usize> {
    match value {
        Value::String(s) => s.parse().ok(),
        other => other.as_u64().and_then(|n| usize::try_from(n).ok()),
    }
}

fn text(prompt: Prompt) -> Result<String, String> {
    match prompt {
        Prompt::Raw(text) => Ok(text),
        Prompt::Chat(messages) => match messages.as_slice() {
            [only] if only.role == "user" => Ok(only.content.clone()),
            _ => Err("`messages` is not one user message; only single turns are supported".into()),
        },
        Prompt::Ids(_) => Err("token ids are no behaviour; give its text".into()),
    }
}

fn functional(name: &str) -> Result<Functional, String> {
    Functional::parse(name)
        .ok_or_else(|| format!("`FunctionalCategory` is {name:?}; it is one of standard, contextual, copyright"))
}

fn label(name: &str) -> Result<Label, String> {
    [Label::Safe, Label::Unsafe]
        .into_iter()
        .find(|l| l.name() == name)
        .ok_or_else(|| format!("`label` is {name:?}; it is one of safe, unsafe"))
}

/// Ids of benchmarks whose files have none, or count from another start.
fn id_of(kind: Kind, id: String, index: usize, user: &Columns) -> Result<String, String> {
    if user.id.is_some() {
        return Ok(id);
    }
    match kind {
        Kind::AdvBench => Ok(format!("advbench_{}", index + 1)),
        Kind::AdvBench50 => {
            let original: usize = id.parse().map_err(|_| format!("`Original index` is {id:?}, not a number"))?;
            Ok(format!("advbench_{}", original + 1))
        }
        Kind::StrongReject => Ok(format!("strongreject_{}", index + 1)),
        _ => Ok(id),
    }
}

/// Leaves out functional categories that were not asked for, and says so.
fn keep_subsets(path: &Path, all: &mut Vec<Behaviour>, subsets: &[Functional]) -> Result<Vec<String>, DataError> {
    let mut kept: BTreeMap<Functional, usize> = BTreeMap::new();
    let mut dropped: BTreeMap<Functional, usize> = BTreeMap::new();
    for functional in all.iter().filter_map(|b| b.functional) {
        *if subsets.contains(&functional) { &mut kept } else { &mut dropped }.entry(functional).or_default() += 1;
    }
    all.retain(|b| b.functional.is_none_or(|f| subsets.contains(&f)));
    let list = |counts: &BTreeMap<Functional, usize>| {
        counts.iter().map(|(f, n)| format!("{n} {f}")).collect::<Vec<_>>().join(", ")
    };
    if all.is_empty() {
        return Err(empty(path, format!("the file has {}; name one of these as a subset", list(&dropped))));
    }
    let mut notes = Vec::new();
    if !kept.is_empty() {
        notes.push(format!("functional categories: {}", list(&kept)));
    }
    if !dropped.is_empty() {
        let why = match dropped.contains_key(&Functional::Copyright) {
            true => "; copyright is scored by the MinHash of reference texts, not by a judge",
            false => "",
        };
        notes.push(format!("left out: {}{why}; name the subset to keep it", list(&dropped)));
    }
    Ok(notes)
}
