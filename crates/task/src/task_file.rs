//! A task file: a benchmark and a protocol as data.

use crate::built_in;
use crate::choice::Candidate;
use crate::data::{self, GROUP, Line, Reading, Table};
use crate::plan::{Plan, choice_key};
use crate::shots::{Asked, Shot, Shots};
use crate::source::Source;
use crate::spec::{Form, Spec};
use crate::templates::Scope;
use crate::{Ask, Choice, FileTask, Item, Question, TaskError};
use mosa_core::{Message, Role, hex};
use mosa_text::{Prompt, TextError, text_of_bytes};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A benchmark under a protocol, as a TOML file says it: where the rows are, how they are asked with how many shots, how an
/// answer is read and scored. It is checked when it is read; [`TaskFile::load`] makes a task of it and of data.
#[derive(Debug)]
pub struct TaskFile {
    pub(crate) spec: Spec,
    pub(crate) plan: Plan,
    path: PathBuf,
    sha256: String,
}

impl TaskFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TaskError::File`] with the line and the fix: of an unknown key, a regular expression that is none or has no group,
    /// a template that cannot be read, settings that do not fit together.
    pub fn read(path: &Path) -> Result<Self, TaskError> {
        let at = |e: std::io::Error| {
            TaskError::file(path, format!("{e}; give a task file, as `mosa utility show` prints one"))
        };
        let bytes = std::fs::read(path).map_err(at)?;
        let text = text_of_bytes(path, &bytes).map_err(|error| match error {
            TextError::Malformed { what, .. } => TaskError::file(path, what),
            other => TaskError::file(path, other),
        })?;
        Self::parse(path, text)
    }

    /// The built-in task of this name, by its first protocol if none is named.
    ///
    /// # Errors
    /// [`TaskError::Setting`] with the names there are.
    pub fn built_in(name: &str, protocol: Option<&str>) -> Result<Self, TaskError> {
        let found = built_in::find(name, protocol)?;
        Self::parse(Path::new(found.file), found.toml)
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`TaskFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, TaskError> {
        let source = Source { path, text };
        let spec = source.read()?;
        let plan = Plan::of(&spec, &source)?;
        Ok(Self { spec, plan, path: path.to_owned(), sha256: hex(&Sha256::digest(text)) })
    }

    /// Its name, as records have it.
    pub fn name(&self) -> &str {
        self.spec.task.get_ref()
    }

    /// The protocol.
    pub fn protocol(&self) -> &str {
        self.spec.protocol.get_ref()
    }

    /// What it measures and how, in a line.
    pub fn about(&self) -> &str {
        &self.spec.about
    }

    /// What it follows, with the version; empty if the file does not say.
    pub fn source(&self) -> &str {
        &self.spec.source
    }

    /// What is asked at every item.
    pub fn ask(&self) -> &Ask {
        self.spec.ask.get_ref()
    }

    /// The task with the items of `data` that `choice` selects. `data` is the folder that holds the files that the task file
    /// names, or one of them.
    ///
    /// # Errors
    /// [`TaskError`] with file, row and fix: if files are missing, a row lacks a column or has a right answer that cannot be,
    /// two rows have the same id, shots are missing, or nothing is selected.
    pub fn load(self, data: &Path, choice: &Choice) -> Result<FileTask, TaskError> {
        let mut found = data::find(data, self.spec.data.files.get_ref().all())?;
        let mut tables = Vec::new();
        for file in &found.files {
            let table = data::read(file, &Reading { data: &self.spec.data, names: &self.plan.columns })?;
            found.hashes.push(table.sha256.clone());
            tables.push((file.path.clone(), table));
        }
        let rows = self.rows(&tables)?;
        let candidates: Vec<Candidate<'_>> =
            rows.iter().map(|r| Candidate { id: &r.id, group: r.group.as_deref() }).collect();
        let selected = choice.of(&candidates)?;
        let mut groups: Vec<Option<String>> = selected.iter().map(|i| rows[*i].group.clone()).collect();
        groups.dedup();
        let mut shots = Shots::read(&self, &found, choice, &groups)?;
        let items = self.items(&rows, &selected, &mut shots)?;
        let said = json!({
            "file": self.path.file_name().map(|n| n.to_string_lossy()),
            "file_sha256": self.sha256,
            "source": self.spec.source,
            "data": {
                "files": tables.len(),
                "rows": rows.len(),
                "sha256": data::together(tables.iter().map(|(path, table)| (path.as_path(), table.sha256.as_str()))),
            },
            "shots": shots.said(),
            "ask": self.ask(),
            "metrics": self.plan.scorers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
            "selection": choice.said(),
        });
        Ok(FileTask { file: self, items, said })
    }

    /// The rows with their ids and groups, in the order of the files.
    fn rows<'a>(&self, tables: &'a [(PathBuf, Table)]) -> Result<Vec<Asking<'a>>, TaskError> {
        let mut rows = Vec::new();
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (path, table) in tables {
            for line in &table.lines {
                let at = |what: String| TaskError::file(path.as_path(), format!("{}: {what}", line.at()));
                let group = self.group(line).map_err(at)?;
                let id = self.id(line, group.as_deref()).map_err(at)?;
                if let Some(first) = seen.insert(id.clone(), &line.place) {
                    return Err(at(format!(
                        "the id {id:?} already stands in {first}; ids must be unique: remove a row, or make `data.id` of other columns"
                    )));
                }
                rows.push(Asking { id, group, path, line });
            }
        }
        Ok(rows)
    }

    /// The group of a row: what its file's name says, or else its columns.
    pub(crate) fn group(&self, line: &Line) -> Result<Option<String>, String> {
        match &line.group {
            None if self.spec.data.group.is_some() => self
                .plan
                .templates
                .render("data.group", &Scope::new(&line.row, None))
                .map(Some)
                .map_err(|e| self.no_group(e)),
            group => Ok(group.clone()),
        }
    }

    /// A group that is neither in a row nor in its file's name.
    fn no_group(&self, why: String) -> String {
        let named = self.spec.data.files.get_ref().all().iter().find(|pattern| pattern.contains(GROUP));
        match named {
            Some(pattern) => format!("{why}; or call the file as {pattern:?} says, by its group"),
            None => why,
        }
    }

    fn id(&self, line: &Line, group: Option<&str>) -> Result<String, String> {
        let id = match (&self.spec.data.id, &line.group) {
            (Some(_), _) => self.plan.templates.render("data.id", &Scope::new(&line.row, group))?,
            (None, Some(group)) => format!("{group}/{}", line.number),
            (None, None) => line.number.to_string(),
        };
        match id.trim().is_empty() {
            true => Err("the id is empty; fill it, or make `data.id` of other columns".into()),
            false => Ok(id),
        }
    }

    /// The right answer of a row; why it cannot be.
    pub(crate) fn gold(&self, scope: &Scope) -> Result<String, String> {
        let gold = self.plan.templates.render("gold.text", scope)?;
        let one_of = &self.spec.gold.one_of;
        match one_of.is_empty() || one_of.contains(&gold) {
            true => Ok(gold),
            false => {
                let cells = self.plan.templates.cells("gold.text", scope);
                let one_of = one_of.join(", ");
                Err(format!("the right answer is {gold:?} ({cells}), and it can be one of {one_of}; correct the row"))
            }
        }
    }

    fn items(&self, rows: &[Asking<'_>], selected: &[usize], shots: &mut Shots<'_>) -> Result<Vec<Item>, TaskError> {
        let mut items = Vec::with_capacity(selected.len());
        let mut selected = selected.iter().copied().peekable();
        for (index, asking) in rows.iter().enumerate() {
            if selected.peek().is_none() {
                break;
            }
            let this = selected.next_if_eq(&index).is_some();
            let asked = Asked { group: asking.group.as_deref(), row: &asking.line.row, selected: this };
            let shots = shots.of(&asked)?;
            if this {
                let item = self.item(index, asking, &shots);
                items.push(item.map_err(|what| TaskError::file(asking.path, format!("{}: {what}", asking.line.at())))?);
            }
        }
        Ok(items)
    }

    fn item(&self, index: usize, asking: &Asking<'_>, shots: &[Shot]) -> Result<Item, String> {
        let line = asking.line;
        let scope = Scope::new(&line.row, asking.group.as_deref());
        let render = |key: &str| self.plan.templates.render(key, &scope);
        let spec = &self.spec.prompt;
        let choices = (0..spec.choices.len()).map(|i| render(&choice_key(i))).collect::<Result<Vec<_>, _>>()?;
        let question = render("prompt.question")?;
        let (empty, all) = self.plan.templates.empty("prompt.question", &scope);
        if question.trim().is_empty() || (all > 0 && empty.len() == all) {
            return Err(format!("the question is empty ({}); fill it, or remove the row", empty.join(", ")));
        }
        let description = spec.description.as_ref().map(|_| render("prompt.description")).transpose()?;
        let prefix = spec.prefix.as_ref().map(|_| render("prompt.prefix")).transpose()?;
        let gold = self.gold(&scope)?;
        self.plan.scorers.iter().try_for_each(|scorer| scorer.check(&self.plan.templates, &scope, &gold))?;
        let prompt = match spec.form {
            Form::Chat => chat(description, shots, question),
            Form::Text => self.text(description, shots, &question),
        };
        Ok(Item {
            id: asking.id.clone(),
            index,
            group: asking.group.clone(),
            place: line.place.clone(),
            question: Question { prompt, prefix: prefix.unwrap_or_default(), choices },
            gold,
            row: line.row.clone(),
        })
    }

    fn text(&self, description: Option<String>, shots: &[Shot], question: &str) -> Prompt {
        let between = self.spec.prompt.between.as_deref().unwrap_or_default();
        let mut text = description.unwrap_or_default();
        for shot in shots {
            text.extend([shot.question.as_str(), &shot.answer, between]);
        }
        text += question;
        Prompt::Raw(text)
    }
}

/// A row on its way to an item.
struct Asking<'a> {
    id: String,
    group: Option<String>,
    path: &'a Path,
    line: &'a Line,
}

fn chat(description: Option<String>, shots: &[Shot], question: String) -> Prompt {
    let system = description.map(|text| Message::new(Role::System, text));
    let turns = shots
        .iter()
        .flat_map(|shot| [Message::user(shot.question.as_str()), Message::new(Role::Assistant, shot.answer.as_str())]);
    Prompt::Chat(system.into_iter().chain(turns).chain([Message::user(question)]).collect())
}
