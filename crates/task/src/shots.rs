//! The examples before a question.

use crate::data::{self, File, Found, GROUP, Line, Reading};
use crate::python_random::PythonRandom;
use crate::spec::Pick;
use crate::templates::Scope;
use crate::{Choice, TaskError, TaskFile};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A question with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) question: String,
    pub(crate) answer: String,
}

/// Rows that shots are taken from.
struct Pool {
    lines: Vec<Line>,
    /// What was rendered of them so far.
    shots: Vec<Option<Shot>>,
    /// Where the draws of `python-sample` are.
    random: PythonRandom,
    path: PathBuf,
}

/// All pools of a task: one, or one for every group.
pub(crate) struct Shots<'a> {
    task: &'a TaskFile,
    count: usize,
    pools: HashMap<Option<String>, Pool>,
    /// Whether shots come from the very files that are asked about, so that a question is not its own shot.
    own: bool,
    said: Value,
}

/// The item that shots are taken for.
pub(crate) struct Asked<'a> {
    pub(crate) group: Option<&'a str>,
    pub(crate) row: &'a Map<String, Value>,
    /// Whether it is run; of others only the draw is made.
    pub(crate) selected: bool,
}

impl<'a> Shots<'a> {
    /// Reads what is needed for shots of items in these groups.
    pub(crate) fn read(
        task: &'a TaskFile,
        found: &Found,
        choice: &Choice,
        groups: &[Option<String>],
    ) -> Result<Self, TaskError> {
        let spec = &task.spec;
        let count = choice.shots.or(spec.shots.as_ref().map(|s| s.count)).unwrap_or(0);
        let mut all = Self { task, count, pools: HashMap::new(), own: false, said: json!({ "count": count }) };
        let Some(shots) = spec.shots.as_ref().filter(|_| count > 0) else {
            return match count {
                0 => Ok(all),
                n => Err(TaskError::Setting(format!("--shots {n}: the task file has no [shots]; add them there"))),
            };
        };
        let named = shots.rows.as_ref().map(|r| r.get_ref().len()).filter(|n| *n < count);
        if let Some(named) = named {
            return Err(TaskError::Setting(format!("--shots {count}: the protocol names {named} shots; take fewer")));
        }
        let files = all.files(found, choice, groups)?;
        let mut hashes = Vec::new();
        for file in &files {
            let table = data::read(file, &Reading { data: &spec.data, names: &task.plan.columns })?;
            hashes.push((file.path.clone(), table.sha256));
            all.add(file, table.lines)?;
        }
        all.own = hashes.iter().any(|(_, hash)| found.hashes.contains(hash));
        all.said = json!({
            "count": count,
            "files": files.len(),
            "sha256": data::together(hashes.iter().map(|(path, hash)| (path.as_path(), hash.as_str()))),
        });
        Ok(all)
    }

    /// What they are, for the manifest.
    pub(crate) fn said(&self) -> Value {
        self.said.clone()
    }

    /// The files the shots are in; every one of them is there.
    fn files(&self, found: &Found, choice: &Choice, groups: &[Option<String>]) -> Result<Vec<File>, TaskError> {
        let Some(shots) = &self.task.spec.shots else { return Ok(Vec::new()) };
        let patterns = shots.files.get_ref().all();
        if let Some(path) = &choice.shots_file {
            if path.is_dir() {
                return data::find(path, patterns).map(|found| found.files);
            }
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let group = patterns.iter().find_map(|p| data::fits(name, p.rsplit('/').next()?)).flatten();
            return Ok(vec![File { path: path.clone(), group }]);
        }
        let mut files: Vec<File> = Vec::new();
        for group in groups {
            let named = |p: &String| match group {
                Some(group) => Some(p.replace(GROUP, group)),
                None => (!p.contains(GROUP)).then(|| p.clone()),
            };
            let paths: Vec<PathBuf> = patterns.iter().filter_map(named).map(|p| found.root.join(p)).collect();
            let path = paths.iter().find(|p| p.exists()).ok_or_else(|| self.missing(&paths, patterns))?;
            let own = patterns.iter().any(|p| p.contains(GROUP));
            let file = File { path: path.clone(), group: group.clone().filter(|_| own) };
            if !files.contains(&file) {
                files.push(file);
            }
        }
        Ok(files)
    }

    fn missing(&self, paths: &[PathBuf], patterns: &[String]) -> TaskError {
        let path = paths.first().cloned().unwrap_or_else(|| Path::new(&patterns[0]).to_owned());
        let n = self.count;
        TaskError::file(
            path,
            format!(
                "it is not there, and {n} shots are taken from it; put it there, name it with --shots-file, or ask without shots (--shots 0)"
            ),
        )
    }

    fn add(&mut self, file: &File, lines: Vec<Line>) -> Result<(), TaskError> {
        let Some(shots) = &self.task.spec.shots else { return Ok(()) };
        for line in lines {
            let group = match shots.same_group {
                false => None,
                true => self.task.group(&line).map_err(|what| TaskError::Item { place: line.place.clone(), what })?,
            };
            let pool = self.pools.entry(group).or_insert_with(|| Pool {
                lines: Vec::new(),
                shots: Vec::new(),
                random: PythonRandom::new(shots.seed.unwrap_or(0)),
                path: file.path.clone(),
            });
            pool.lines.push(line);
            pool.shots.push(None);
        }
        Ok(())
    }

    /// The shots of the next item. Items come in the order of the benchmark, the ones that are not run too: what is drawn at
    /// random depends on how many were drawn before.
    pub(crate) fn of(&mut self, asked: &Asked<'_>) -> Result<Vec<Shot>, TaskError> {
        let Some(shots) = self.task.spec.shots.as_ref().filter(|_| self.count > 0) else { return Ok(Vec::new()) };
        let group = asked.group.filter(|_| shots.same_group).map(str::to_owned);
        let Some(pool) = self.pools.get_mut(&group) else {
            return if asked.selected { Err(no_pool(group.as_deref().unwrap_or_default())) } else { Ok(Vec::new()) };
        };
        let own = self.own.then_some(asked.row);
        let places = match (shots.pick, &shots.rows) {
            (Pick::PythonSample, _) => pool.drawn(self.count, own),
            (Pick::Rows, Some(rows)) => rows.get_ref().iter().copied().take(self.count).collect(),
            _ => pool.others(own).take(self.count).collect(),
        };
        let last = places.iter().copied().max().unwrap_or(0);
        if places.len() < self.count || last >= pool.lines.len() {
            let (n, rows) = (self.count, pool.lines.len());
            let what = match places.len() < n {
                true => format!(
                    "{n} shots are taken from it, and it has {rows} rows; take fewer (--shots), or give a longer file"
                ),
                false => format!("its row {last} (from 0) is a shot, and it has {rows} rows; give the complete file"),
            };
            return Err(TaskError::file(&pool.path, what));
        }
        let itself = own.and_then(|row| places.iter().find(|place| pool.lines[**place].row == *row));
        if let Some(place) = itself.filter(|_| asked.selected) {
            let what = format!(
                "{}: this row is itself one of the shots, so its answer would stand before it; ask about a file without \
                 it, or without shots (--shots 0)",
                pool.lines[*place].at()
            );
            return Err(TaskError::file(&pool.path, what));
        }
        match asked.selected {
            true => places.into_iter().map(|place| pool.shot(self.task, place)).collect(),
            false => Ok(Vec::new()),
        }
    }
}

impl Pool {
    /// The rows that are not the question's own.
    fn others<'p>(&'p self, own: Option<&'p Map<String, Value>>) -> impl Iterator<Item = usize> + 'p {
        (0..self.lines.len()).filter(move |i| own.is_none_or(|row| self.lines[*i].row != *row))
    }

    /// What lm-eval draws: `n` rows; where the question is among them one more, and without it.
    fn drawn(&mut self, n: usize, own: Option<&Map<String, Value>>) -> Vec<usize> {
        let rows = self.lines.len();
        let more = n + usize::from(own.is_some());
        if rows < more {
            return Vec::new();
        }
        let mut drawn = self.random.sample(rows, more);
        if own.is_some() {
            drawn.retain(|i| own.is_none_or(|row| self.lines[*i].row != *row));
            drawn.truncate(n);
            if drawn.len() < n {
                let pool: Vec<usize> = self.others(own).collect();
                return match pool.len() < n {
                    true => Vec::new(),
                    false => self.random.sample(pool.len(), n).into_iter().map(|i| pool[i]).collect(),
                };
            }
        }
        drawn
    }

    fn shot(&mut self, task: &TaskFile, place: usize) -> Result<Shot, TaskError> {
        if let Some(shot) = &self.shots[place] {
            return Ok(shot.clone());
        }
        let line = &self.lines[place];
        let at = |what: String| TaskError::file(self.path.as_path(), format!("{}: {what}", line.at()));
        let group = task.group(line).map_err(at)?;
        let scope = Scope::new(&line.row, group.as_deref());
        let question = if task.spec.prompt.shot.is_some() { "prompt.shot" } else { "prompt.question" };
        let render = |key: &str| task.plan.templates.render(key, &scope).map_err(at);
        let shot = Shot { question: render(question)?, answer: render("prompt.answer")? };
        task.gold(&scope).map_err(at)?;
        self.shots[place] = Some(shot.clone());
        Ok(shot)
    }
}

fn no_pool(group: &str) -> TaskError {
    TaskError::Setting(format!(
        "there are no shots for the group {group:?}; add its rows, or ask without shots (--shots 0)"
    ))
}
