//! Answers that were given before, by whatever program: a file of ids and texts in the place of a model.

use super::case::{Case, Reply};
use anyhow::{Context, Result, anyhow, ensure};
use mosa_task::{Generate, Said, Task};
use mosa_text::{Columns, Row, TableRow, parse_rows, text_of_bytes};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Columns that name an item, and that hold an answer, as mosa and others write them.
const IDS: [&str; 3] = ["id", "task_id", "doc_id"];
const TEXTS: [&str; 5] = ["answer", "completion", "response", "generation", "text"];

/// Answers by item, in the order of the file where an item has several.
pub(crate) struct Answers {
    path: PathBuf,
    by_id: HashMap<String, Vec<String>>,
}

impl Answers {
    /// Reads a file: rows with the id of an item and the answer to it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let rows = parse_rows(path, text_of_bytes(path, &bytes)?, &Columns::default())?;
        let mut by_id: HashMap<String, Vec<String>> = HashMap::new();
        for TableRow { line, row } in &rows {
            let at = |what: String| anyhow!("{}: line {line}: {what}", path.display());
            let id = cell(row, &IDS).map_err(at)?;
            by_id.entry(id).or_default().push(cell(row, &TEXTS).map_err(at)?);
        }
        Ok(Self { path: path.to_owned(), by_id })
    }

    /// Refuses a file that answers none of a task's items.
    pub(crate) fn belong_to(&self, task: &dyn Task) -> Result<()> {
        let known = task.items().iter().any(|item| self.by_id.contains_key(&item.id));
        let named = self.by_id.keys().min().map_or("", String::as_str);
        let first = task.items().first().map_or("", |item| item.id.as_str());
        ensure!(
            known,
            "{}: answers no item of the task: its ids are like {named:?}, those of the items like {first:?}",
            self.path.display()
        );
        Ok(())
    }

    /// What was answered; nothing that can be assessed where there is no answer.
    pub(crate) fn reply(&self, case: &Case<'_>, how: &Generate) -> Reply {
        let found = self.by_id.get(&case.item.id).and_then(|all| all.get(case.attempt));
        let said = match found {
            Some(text) => Said::Text(how.cut(text).to_owned()),
            None => Said::Nothing("the file of answers has none to it".into()),
        };
        Reply { said, finish: "recorded".into(), forwards: 0, defences: Vec::new() }
    }
}

/// The text of the first of these columns that is there.
fn cell(row: &Row, names: &[&str]) -> Result<String, String> {
    for name in names {
        match row.get(name)? {
            Some(Value::String(text)) => return Ok(text.clone()),
            Some(Value::Null) | None => {}
            Some(number @ Value::Number(_)) => return Ok(number.to_string()),
            Some(other) => return Err(format!("`{name}` is {other}, and no text")),
        }
    }
    let there = row.names().collect::<Vec<_>>().join(", ");
    Err(format!("has no column {}; there are: {there}", names.join(" or ")))
}
