//! Reading a benchmark from the file it is published in.

use crate::pairing::{self, Pairing};
use crate::{Behaviour, Benchmark, DataError, Functional, Kind, Label, targets};
use mosa_text::{Columns, Prompt, PromptRecord, Role, Row, TableRow, parse_rows, prompts_of, text_of_bytes};
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
    /// Whether rows may be conversations of several turns, or token ids, which attacks cannot use.
    pub conversations: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            subsets: vec![Functional::Standard, Functional::Contextual],
            targets: None,
            pairing: Pairing::default(),
            conversations: false,
        }
    }
}

impl From<Columns> for ReadOptions {
    fn from(columns: Columns) -> Self {
        Self { columns, ..Self::default() }
    }
}

/// Reads a benchmark or a plain prompt file: JSON lines, a JSON array or a delimited table, recognised by its columns
/// (see [`Kind`]). Every command reads such files here, so a row has the same id and asks the same everywhere.
///
/// # Errors
/// [`DataError`] if the file cannot be read, a row lacks what it needs, an id appears twice, or nothing is left.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Benchmark, DataError> {
    let bytes = std::fs::read(path).map_err(|e| DataError::file(path, e))?;
    let mut rows = parse_rows(path, text_of_bytes(path, &bytes)?, &options.columns)?;
    if rows.is_empty() {
        return Err(empty(path, "the file has no rows; give the complete file"));
    }
    let mut notes = Vec::new();
    let kind = Kind::of(&rows, &options.columns);
    notes.extend(drop_null_turns(kind, &mut rows));
    if rows.is_empty() {
        return Err(empty(path, "all rows have null turns; give the complete file"));
    }
    let mut behaviours = behaviours(path, kind, &rows, options, &mut notes)?;
    if kind == Kind::AdvBench {
        notes.extend(pairing::check(&mut behaviours, options.pairing));
    }
    notes.extend(keep_subsets(path, &mut behaviours, &options.subsets)?);
    if let Some(file) = &options.targets {
        notes.push(targets::join(file, &mut behaviours)?);
    }
    Ok(Benchmark { kind, behaviours, sha256: mosa_core::hex(&Sha256::digest(&bytes)), notes })
}

/// The behaviours of all rows.
fn behaviours(
    path: &Path,
    kind: Kind,
    rows: &[TableRow],
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Behaviour>, DataError> {
    let columns = over(&options.columns, kind.columns());
    let prompts = prompts_of(path, rows, &columns)?;
    notes.extend(prompts.notes);
    let mut behaviours = Vec::with_capacity(rows.len());
    let mut inputs = 0;
    for (index, (TableRow { line, row }, record)) in rows.iter().zip(prompts.records).enumerate() {
        let at = |what: String| DataError::malformed(path, format!("line {line}: {what}"));
        let mut behaviour =
            Reading { kind, index, conversations: options.conversations }.behaviour(row, record).map_err(at)?;
        behaviour.id = id_of(kind, behaviour.id, index, &options.columns).map_err(at)?;
        if kind == Kind::Alpaca {
            inputs += usize::from(join_input(row, &mut behaviour).map_err(at)?);
        }
        behaviours.push(behaviour);
    }
    if inputs > 0 {
        notes.push(format!("the input of {inputs} of {} rows stands below their instruction", rows.len()));
    }
    Ok(behaviours)
}

/// Alpaca's `input` below the instruction, with a line end between the two, as trainers on such files put it; says
/// whether there is one.
fn join_input(row: &Row, behaviour: &mut Behaviour) -> Result<bool, String> {
    let input = filled(row, "input")?;
    if let Some(input) = &input {
        behaviour.text = format!("{}\n{input}", behaviour.text);
    }
    Ok(input.is_some())
}

/// The text of a column, if the row has any there.
fn filled(row: &Row, name: &str) -> Result<Option<String>, String> {
    Ok(row.get(name)?.and_then(Value::as_str).filter(|s| !s.trim().is_empty()).map(str::to_owned))
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
fn drop_null_turns(kind: Kind, rows: &mut Vec<TableRow>) -> Option<String> {
    if kind != Kind::SorryBench {
        return None;
    }
    let null = |row: &Row| match row.get("turns") {
        Ok(None | Some(Value::Null)) => true,
        Ok(Some(Value::Array(turns))) => turns.is_empty() || turns.iter().all(Value::is_null),
        // As delimited tables have them.
        Ok(Some(Value::String(text))) => ["", "null", "[]", "[null]", "[None]"].contains(&text.trim()),
        _ => false,
    };
    let lines: Vec<String> = rows.iter().filter(|r| null(&r.row)).map(|r| r.line.to_string()).collect();
    rows.retain(|r| !null(&r.row));
    let (rows, at) = if lines.len() == 1 { ("row", "line") } else { ("rows", "lines") };
    (!lines.is_empty()).then(|| format!("{} {rows} with null turns skipped ({at} {})", lines.len(), lines.join(", ")))
}

/// How a row is read.
struct Reading {
    kind: Kind,
    /// Its place in the file, from 0.
    index: usize,
    /// Whether it may ask more than a text.
    conversations: bool,
}

impl Reading {
    /// The behaviour of one row; what the prompt reader does not know is taken from the row itself.
    fn behaviour(&self, row: &Row, record: PromptRecord) -> Result<Behaviour, String> {
        if row.has("ImageFileName") {
            return Err("a multimodal behaviour (column `ImageFileName`); only text behaviours are supported".into());
        }
        let of = |name: &str| filled(row, name);
        let index = match (self.kind, row.get("Index")?) {
            (Kind::JailbreakBench, Some(v)) => number(v).ok_or_else(|| format!("`Index` is {v}, not a number"))?,
            _ => self.index,
        };
        let label = match of("label")?.filter(|_| self.kind == Kind::XsTest) {
            None => None,
            Some(name) => Some(label(&name)?),
        };
        let context = match of("ContextString")? {
            None if self.kind == Kind::Plain => of("context")?,
            found => found,
        };
        let (text, asked) = asked(record.prompt, self.conversations)?;
        Ok(Behaviour {
            id: record.id,
            index,
            text,
            context: context.filter(|_| asked.is_none()),
            category: record.category,
            functional: of("FunctionalCategory")?.map(|name| functional(&name)).transpose()?,
            tags: of("Tags")?.map(|tags| tags.split(", ").map(str::to_owned).collect()).unwrap_or_default(),
            target: record.response,
            answer: of("response")?,
            style: record.style,
            source: of("source")?,
            label,
            asked,
        })
    }
}

/// A whole number, also as text or with a decimal point, as spreadsheets and data frames write it.
pub(crate) fn number(value: &Value) -> Option<usize> {
    let whole = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 1e15).then_some(x as usize);
    match value {
        Value::String(s) => s.trim().parse().ok().or_else(|| s.trim().parse().ok().and_then(whole)),
        other => other.as_u64().and_then(|n| usize::try_from(n).ok()).or_else(|| other.as_f64().and_then(whole)),
    }
}

/// The text of what a row asks, and the row's prompt itself where it is more than a text.
fn asked(prompt: Prompt, conversations: bool) -> Result<(String, Option<Prompt>), String> {
    match prompt {
        Prompt::Raw(text) => Ok((text, None)),
        more if conversations => Ok((more.words(), Some(more))),
        Prompt::Chat(messages) => match messages.as_slice() {
            [only] if only.role == Role::User => Ok((only.content.clone(), None)),
            _ => Err("the conversation is not one user message; only single turns are supported".into()),
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
            let original = number(&Value::String(id.clone()));
            let original = original.ok_or_else(|| format!("`Original index` is {id:?}, not a number"))?;
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
