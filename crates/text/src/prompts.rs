//! The prompts of rows: one text, a conversation, or token ids. What a benchmark's rows mean beyond that is known
//! where benchmarks are read.

use crate::conversation::Conversation;
use crate::{Message, Role, Row, TableRow, TextError, files};
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

impl Prompt {
    /// The words of a prompt, as records have them: for a conversation its user turns.
    pub fn words(&self) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::Ids(ids) => format!("{ids:?}"),
            Self::Chat(messages) => {
                let turns = messages.iter().filter(|m| m.role == Role::User).map(|m| m.content.as_str());
                turns.collect::<Vec<_>>().join("\n")
            }
        }
    }
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
/// Columns of a conversation, tried before those of a text.
const CONVERSATION_COLUMNS: [&str; 3] = ["messages", "conversations", "conversation"];
const ID_COLUMNS: [&str; 3] = ["id", "BehaviorID", "question_id"];
const RESPONSE_COLUMNS: [&str; 4] = ["response", "target", "answer", "output"];
const STYLE_COLUMNS: [&str; 2] = ["prompt_style", "style"];
const CATEGORY_COLUMNS: [&str; 2] = ["category", "SemanticCategory"];

impl Columns {
    /// Reads `prompt=goal,id=BehaviorID`. A column is found whatever its case.
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

/// The prompts of a file's rows, and what a reader has to know about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// One per row. A text is [`Prompt::Raw`]: whether it is sent as a user's turn is for the command to say.
    pub records: Vec<PromptRecord>,
    /// What is not sent although it stands in the file.
    pub notes: Vec<String>,
}

/// The prompts of rows that were read from `path` (see [`parse_rows`](crate::parse_rows)).
///
/// # Errors
/// [`TextError`] with the line if a row has no prompt, an id appears twice, or there are no rows.
pub fn prompts_of(path: &Path, rows: &[TableRow], columns: &Columns) -> Result<Prompts, TextError> {
    if rows.is_empty() {
        return Err(files::malformed(path, "no rows"));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut records = Vec::with_capacity(rows.len());
    let (mut answers, mut beside) = (0, 0);
    for (number, TableRow { line, row }) in rows.iter().enumerate() {
        let at = |what: String| files::malformed(path, format!("line {line}: {what}"));
        let style = text_of(row, columns.style.as_ref(), &STYLE_COLUMNS).map_err(at)?;
        let id = match id_of(row, columns).map_err(at)? {
            // SORRY-Bench counts its questions anew for every style.
            Some(id) if row.has("turns") => style.as_ref().map_or(id.clone(), |s| format!("{id}/{s}")),
            Some(id) => id,
            None => (number + 1).to_string(),
        };
        if let Some(first) = seen.insert(id.clone(), *line) {
            return Err(at(format!(
                "the id {id:?} already stands in line {first}; ids must be unique: remove a row, or name another column with --columns id=COLUMN"
            )));
        }
        let asked = prompt_of(row, columns).map_err(at)?;
        answers += usize::from(asked.answer.is_some());
        beside += asked.beside;
        let response = text_of(row, columns.response.as_ref(), &RESPONSE_COLUMNS).map_err(at)?.or(asked.answer);
        let category = text_of(row, columns.category.as_ref(), &CATEGORY_COLUMNS).map_err(at)?;
        records.push(PromptRecord { id, prompt: asked.prompt, response, style, category });
    }
    let mut notes = Vec::new();
    if answers > 0 {
        notes.push(format!("{answers} conversations end with an answer, which is not sent (it is the row's response)"));
    }
    if beside > 0 {
        notes.push(format!("{beside} turns have calls of tools beside their text, which are not sent"));
    }
    Ok(Prompts { records, notes })
}

/// Whether a single JSON object is a row, and not an object around rows.
pub(crate) fn is_row(row: &Row, columns: &Columns) -> bool {
    let named = columns.prompt.as_deref();
    named.into_iter().chain(PROMPT_COLUMNS).chain(CONVERSATION_COLUMNS).chain(["ids"]).any(|name| row.has(name))
}

/// An optional text: the column that is named, which must be there, or the first known one.
fn text_of(row: &Row, named: Option<&String>, known: &[&str]) -> Result<Option<String>, String> {
    let value = match named {
        Some(name) => Some(row.get(name)?.ok_or_else(|| no_column(name, row))?),
        None => first_of(row, known)?,
    };
    Ok(match value {
        Some(Value::String(s)) if !s.is_empty() => Some(s.clone()),
        Some(Value::Number(n)) => Some(n.to_string()),
        _ => None,
    })
}

fn id_of(row: &Row, columns: &Columns) -> Result<Option<String>, String> {
    let value = match &columns.id {
        Some(name) => Some(row.get(name)?.ok_or_else(|| no_column(name, row))?),
        None => first_of(row, &ID_COLUMNS)?,
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) if s.is_empty() => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.clone())),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(other) => Err(format!("the id {other} is neither text nor a number")),
    }
}

/// The value of the first of these columns that is there.
fn first_of<'a>(row: &'a Row, names: &[&str]) -> Result<Option<&'a Value>, String> {
    names.iter().find(|name| row.has(name)).map_or(Ok(None), |name| row.get(name))
}

/// What a row asks, and what stands beside it in a conversation.
struct Asked {
    prompt: Prompt,
    answer: Option<String>,
    beside: usize,
}

impl From<Prompt> for Asked {
    fn from(prompt: Prompt) -> Self {
        Self { prompt, answer: None, beside: 0 }
    }
}

impl From<Conversation> for Asked {
    fn from(c: Conversation) -> Self {
        Self { prompt: Prompt::Chat(c.asked), answer: c.answer, beside: c.beside }
    }
}

fn prompt_of(row: &Row, columns: &Columns) -> Result<Asked, String> {
    if columns.prompt.is_none() {
        let filled = |v: &&Value| !v.is_null() && v.as_str() != Some("");
        for name in CONVERSATION_COLUMNS {
            if let Some(value) = row.get(name)?.filter(filled) {
                return conversation(row, name, value);
            }
        }
        if let Some(ids) = row.get("ids")?.filter(filled) {
            return ids_of(ids).map(|ids| Prompt::Ids(ids).into()).map_err(|e| format!("`ids`: {e}"));
        }
    }
    let name = match &columns.prompt {
        Some(name) => name.as_str(),
        None => PROMPT_COLUMNS.into_iter().find(|name| row.has(name)).ok_or_else(|| no_column("prompt", row))?,
    };
    let value = row.get(name)?.ok_or_else(|| no_column(name, row))?;
    if Conversation::is_one(value) {
        return conversation(row, name, value);
    }
    text(name, value).map(|text| Prompt::Raw(text).into())
}

/// A conversation; ShareGPT may have its system's turn in a column of its own.
fn conversation(row: &Row, name: &str, value: &Value) -> Result<Asked, String> {
    let mut read = Conversation::read(name, value)?;
    let system = row.get("system")?.and_then(Value::as_str).filter(|s| !s.is_empty());
    if let (Some(system), false) = (system, read.asked.iter().any(|m| m.role == Role::System)) {
        read.asked.insert(0, Message::new(Role::System, system));
    }
    Ok(read.into())
}

/// Token ids, or their JSON text in a delimited table.
fn ids_of(value: &Value) -> serde_json::Result<Vec<TokenId>> {
    match value {
        Value::String(text) => serde_json::from_str(text),
        other => serde_json::from_value(other.clone()),
    }
}

/// One text: a text, or a list of one turn (SORRY-Bench's `turns`), which a delimited table has as JSON text.
fn text(name: &str, value: &Value) -> Result<String, String> {
    let listed = |text: &str| same_list(name, text);
    let parsed = value.as_str().filter(|t| listed(t)).map(serde_json::from_str::<Value>);
    let parsed = parsed.transpose().map_err(|e| format!("`{name}` is a list, but not in JSON (double quotes): {e}"))?;
    let text = match parsed.as_ref().unwrap_or(value) {
        Value::Array(turns) if turns.len() == 1 => &turns[0],
        Value::Array(turns) => {
            return Err(format!("`{name}` has {} turns; only single turns are supported", turns.len()));
        }
        Value::Object(_) => {
            return Err(format!(
                "`{name}` is an object and not a text; a file of rows is needed, not one of columns (pandas: orient=\"records\")"
            ));
        }
        other => other,
    };
    let text = text.as_str().ok_or_else(|| format!("`{name}` is not text; put it in quotes"))?;
    if text.trim().is_empty() {
        return Err(format!("`{name}` is empty; fill it, or remove the row"));
    }
    Ok(text.to_owned())
}

/// Whether a column of lists holds the text of one.
fn same_list(name: &str, text: &str) -> bool {
    name.eq_ignore_ascii_case("turns") && text.starts_with('[') && text.ends_with(']')
}

fn no_column(name: &str, row: &Row) -> String {
    let have: Vec<&str> = row.names().collect();
    format!("no column `{name}` (there are: {}); name it with --columns prompt=COLUMN", have.join(", "))
}
