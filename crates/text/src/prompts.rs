//! Prompt files: JSONL, a JSON array, or CSV with a column map.

use crate::{Message, Row, TextError, files, parse_rows};
use mosa_core::TokenId;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, to be rendered by the chat template.
    Chat(Vec<Message>),
    /// Text that is tokenised as it stands.
    Raw(String),
    /// Token ids.
    Ids(Vec<TokenId>),
}

/// One row of a prompt file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptRecord {
    /// Unique in its file: the row's id, or its 1-based number where the file has none.
    pub id: String,
    /// What is asked.
    pub prompt: Prompt,
    /// An answer that comes with it, if the file has one (`response`, `target`, ...).
    pub response: Option<String>,
    /// How it is asked (SORRY-Bench's `prompt_style`, a wrapper's name).
    pub style: Option<String>,
    /// What it is about (`category`, HarmBench's `SemanticCategory`).
    pub category: Option<String>,
}

impl PromptRecord {
    /// A prompt with nothing beside it.
    pub fn new(id: impl Into<String>, prompt: Prompt) -> Self {
        Self { id: id.into(), prompt, response: None, style: None, category: None }
    }
}

/// Which columns of a file hold what. `None` picks the first known name that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Column of the prompt text.
    pub prompt: Option<String>,
    /// Column of the id.
    pub id: Option<String>,
    /// Column of the answer.
    pub response: Option<String>,
    /// Column of the style.
    pub style: Option<String>,
    /// Column of the category.
    pub category: Option<String>,
}

/// Prompt columns of the benchmarks in circulation, tried in this order.
const PROMPT_COLUMNS: [&str; 7] =
    ["prompt", "goal", "turns", "Behavior", "forbidden_prompt", "question", "instruction"];
const ID_COLUMNS: [&str; 3] = ["id", "BehaviorID", "question_id"];
const RESPONSE_COLUMNS: [&str; 4] = ["response", "target", "answer", "output"];
const STYLE_COLUMNS: [&str; 2] = ["prompt_style", "style"];
const CATEGORY_COLUMNS: [&str; 2] = ["category", "SemanticCategory"];

impl Columns {
    /// Reads `prompt=goal,id=BehaviorID`.
    ///
    /// # Errors
    /// A message if a pair is malformed or names another role.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut columns = Self::default();
        for pair in text.split(',') {
            let slot = match pair.split_once('=').map(|(k, v)| (k.trim(), v.trim())) {
                Some((_, "")) | None => None,
                Some(("prompt", v)) => Some((&mut columns.prompt, v)),
                Some(("id", v)) => Some((&mut columns.id, v)),
                Some(("response", v)) => Some((&mut columns.response, v)),
                Some(("style", v)) => Some((&mut columns.style, v)),
                Some(("category", v)) => Some((&mut columns.category, v)),
                Some(_) => None,
            };
            let (slot, name) = slot.ok_or_else(|| {
                format!("`{pair}` is not ROLE=COLUMN with one of the roles prompt, id, response, style, category")
            })?;
            *slot = Some(name.to_owned());
        }
        Ok(columns)
    }
}

/// Reads all rows. With `raw`, texts are sent as they stand instead of as a user turn.
///
/// # Errors
/// [`TextError`] if the file cannot be read, a row has no prompt, an id appears twice, or nothing is in it.
pub fn read_prompts(path: &Path, columns: &Columns, raw: bool) -> Result<Vec<PromptRecord>, TextError> {
    prompts_of(path, &parse_rows(path, &files::read(path)?)?, columns, raw)
}

/// The prompts of rows that were read from `path` (see [`parse_rows`]), as [`read_prompts`] makes them.
///
/// # Errors
/// As [`read_prompts`].
pub fn prompts_of(
    path: &Path,
    rows: &[(usize, Row)],
    columns: &Columns,
    raw: bool,
) -> Result<Vec<PromptRecord>, TextError> {
    if rows.is_empty() {
        return Err(files::malformed(path, "no rows"));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut records = Vec::with_capacity(rows.len());
    for (number, (line, row)) in rows.iter().enumerate() {
        let at = |what: String| files::malformed(path, format!("line {line}: {what}"));
        let style = text_of(row, (columns.style.as_ref(), &STYLE_COLUMNS)).map_err(at)?;
        let id = match id_of(row, columns).map_err(at)? {
            // SORRY-Bench counts its questions anew for every style.
            Some(id) if row.contains_key("turns") => style.as_ref().map_or(id.clone(), |s| format!("{id}/{s}")),
            Some(id) => id,
            None => (number + 1).to_string(),
        };
        if let Some(first) = seen.insert(id.clone(), *line) {
            return Err(at(format!(
                "the id {id:?} already stands in line {first}; ids must be unique: remove a row, or name another column with --columns id=COLUMN"
            )));
        }
        let prompt = prompt_of(row, columns, raw).map_err(at)?;
        let response = text_of(row, (columns.response.as_ref(), &RESPONSE_COLUMNS)).map_err(at)?;
        let category = text_of(row, (columns.category.as_ref(), &CATEGORY_COLUMNS)).map_err(at)?;
        records.push(PromptRecord { id, prompt, response, style, category });
    }
    Ok(records)
}

/// An optional text: the column that is named, which must be there, or the first known one.
fn text_of(row: &Row, (named, known): (Option<&String>, &[&str])) -> Result<Option<String>, String> {
    let value = match named {
        Some(name) => Some(row.get(name).ok_or_else(|| no_column(name, row))?),
        None => known.iter().find_map(|name| row.get(*name)),
    };
    Ok(match value {
        Some(Value::String(s)) if !s.is_empty() => Some(s.clone()),
        Some(Value::Number(n)) => Some(n.to_string()),
        _ => None,
    })
}

fn id_of(row: &Row, columns: &Columns) -> Result<Option<String>, String> {
    let value = match &columns.id {
        Some(name) => Some(row.get(name).ok_or_else(|| no_column(name, row))?),
        None => ID_COLUMNS.iter().find_map(|name| row.get(*name)),
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) if s.is_empty() => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.clone())),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(other) => Err(format!("the id {other} is neither text nor a number")),
    }
}

fn prompt_of(row: &Row, columns: &Columns, raw: bool) -> Result<Prompt, String> {
    if columns.prompt.is_none() {
        if let Some(messages) = row.get("messages") {
            let messages: Vec<Message> =
                serde_json::from_value(messages.clone()).map_err(|e| format!("`messages`: {e}"))?;
            return if messages.is_empty() { Err("`messages` is empty".into()) } else { Ok(Prompt::Chat(messages)) };
        }
        if let Some(ids) = row.get("ids") {
            return serde_json::from_value(ids.clone()).map(Prompt::Ids).map_err(|e| format!("`ids`: {e}"));
        }
    }
    let name = match &columns.prompt {
        Some(name) => name.as_str(),
        None => {
            PROMPT_COLUMNS.into_iter().find(|name| row.contains_key(*name)).ok_or_else(|| no_column("prompt", row))?
        }
    };
    let text = row.get(name).ok_or_else(|| no_column(name, row))?;
    let text = match text {
        Value::Array(turns) if turns.len() == 1 => &turns[0],
        Value::Array(turns) => {
            return Err(format!("`{name}` has {} turns; only single turns are supported", turns.len()));
        }
        other => other,
    };
    let text = text.as_str().ok_or_else(|| format!("`{name}` is not text"))?;
    if text.trim().is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    Ok(if raw { Prompt::Raw(text.to_owned()) } else { Prompt::Chat(vec![Message::user(text)]) })
}

fn no_column(name: &str, row: &Row) -> String {
    let have: Vec<&str> = row.keys().map(String::as_str).collect();
    format!("no column `{name}` (there are: {}); name it with --columns prompt=COLUMN", have.join(", "))
}
