//! A run: a folder with everything it holds, or a file of answers.

use mosa_attack::{CaseRecord, SecondsRecord};
use mosa_core::hex;
use mosa_judge::tell_outcomes;
use mosa_records::{
    AnswerRecord, CurveRecord, LandscapeRecord, Log, MonitorRecord, OrderRecord, Record, RecordsError, RunFolder,
    SampleRecord, VerdictRecord, drop_outdated, lines, names, tell_judges_apart,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The records of one run; kinds it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// What it is called in tables and figures.
    pub name: String,
    /// What it was asked to do.
    pub manifest: Value,
    /// `answers.jsonl`.
    pub answers: Vec<AnswerRecord>,
    /// `cases.jsonl` of an attack.
    pub cases: Vec<CaseRecord>,
    /// `seconds.jsonl` of an attack.
    pub seconds: Vec<SecondsRecord>,
    /// `verdicts.jsonl`, without those on answers that were other ones then.
    pub verdicts: Vec<VerdictRecord>,
    /// Verdicts that were left out.
    pub outdated: usize,
    /// `orders.jsonl`.
    pub orders: Vec<OrderRecord>,
    /// `curves.jsonl`.
    pub curves: Vec<CurveRecord>,
    /// `landscapes.jsonl`.
    pub landscapes: Vec<LandscapeRecord>,
    /// `monitors.jsonl`.
    pub monitors: Vec<MonitorRecord>,
    /// `samples.jsonl` of a task.
    pub samples: Vec<SampleRecord>,
    /// `metrics.jsonl` of a training run.
    pub metrics: Vec<Value>,
    /// SHA-256 of all of it.
    pub digest: String,
    /// What is wrong with the files but does not keep them from being read.
    pub notes: Vec<String>,
}

/// The files of a run that a page is made from, in the order of the digest.
pub const FILES: [&str; 11] = [
    names::MANIFEST,
    names::ANSWERS,
    names::VERDICTS,
    names::ORDERS,
    names::CURVES,
    names::LANDSCAPES,
    names::METRICS,
    names::CASES,
    names::SECONDS,
    names::SAMPLES,
    names::MONITORS,
];

/// What a run without defences is called among those with some.
pub(crate) const NO_DEFENCE: &str = "none";

impl Run {
    /// Reads folders that are to stand side by side. Judges of one name that decide by different models, templates or
    /// temperatures get names that say the difference, in all of the runs.
    ///
    /// # Errors
    /// As [`Run::read`].
    pub fn read_all(dirs: &[PathBuf], long: bool) -> Result<Vec<Self>, RecordsError> {
        let mut runs: Vec<Self> = dirs.iter().map(|dir| Self::read_one(dir, long)).collect::<Result<_, _>>()?;
        tell_judges_apart(runs.iter_mut().flat_map(|run| &mut run.verdicts));
        Ok(runs)
    }

    /// Reads a folder, or a file of answers as the playground of `mosa serve` writes it. Its name is the folder's or the
    /// file's, with the folder above it if `long`.
    ///
    /// # Errors
    /// [`RecordsError`] if it is no run folder, holds no records, or a file is damaged.
    pub fn read(dir: &Path, long: bool) -> Result<Self, RecordsError> {
        let mut run = Self::read_one(dir, long)?;
        tell_judges_apart(&mut run.verdicts);
        Ok(run)
    }

    fn read_one(dir: &Path, long: bool) -> Result<Self, RecordsError> {
        if dir.is_file() {
            return Self::read_file(dir, long);
        }
        let manifest = RunFolder::manifest(dir)?;
        let at = |name: &str| dir.join(name);
        let mut notes = Vec::new();
        let answers: Vec<AnswerRecord> = Log::read_noting(&at(names::ANSWERS), &mut notes)?;
        let mut verdicts: Vec<VerdictRecord> = Log::read_noting(&at(names::VERDICTS), &mut notes)?;
        let outdated = drop_outdated(&mut verdicts, &answers);
        let by_key: HashMap<String, &AnswerRecord> = answers.iter().map(|a| (a.key(), a)).collect();
        // Earlier versions took an answer that was never given for one that resists.
        for verdict in &mut verdicts {
            if let Some(why) = by_key.get(&verdict.answer).and_then(|a| a.unsaid()) {
                (verdict.success, verdict.value, verdict.status) = (None, None, why);
            }
        }
        tell_outcomes(&mut verdicts, &answers);
        let mut run = Self {
            name: name(dir, long),
            manifest,
            outdated,
            answers,
            cases: Log::read_noting(&at(names::CASES), &mut notes)?,
            seconds: Log::read_noting(&at(names::SECONDS), &mut notes)?,
            verdicts,
            orders: Log::read_noting(&at(names::ORDERS), &mut notes)?,
            curves: Log::read_noting(&at(names::CURVES), &mut notes)?,
            landscapes: Log::read_noting(&at(names::LANDSCAPES), &mut notes)?,
            monitors: Log::read_noting(&at(names::MONITORS), &mut notes)?,
            samples: Log::read_noting(&at(names::SAMPLES), &mut notes)?,
            metrics: metrics(&at(names::METRICS), &mut notes)?,
            digest: digest(dir),
            notes: Vec::new(),
        };
        run.notes = notes.into_iter().chain(run.lost(dir)).collect();
        let silent = run.answers.is_empty() && run.cases.is_empty() && run.samples.is_empty();
        let empty = silent && run.orders.is_empty() && run.curves.is_empty() && run.monitors.is_empty();
        if empty && run.landscapes.is_empty() && run.metrics.is_empty() {
            return Err(RecordsError::file(dir, "holds no records; run its command to the first record, then report"));
        }
        Ok(run)
    }

    /// Answers in a file of their own: a run of which nothing else is known, and which says so.
    fn read_file(path: &Path, long: bool) -> Result<Self, RecordsError> {
        let mut notes = Vec::new();
        let answers: Vec<AnswerRecord> = Log::read_noting(path, &mut notes)?;
        if answers.is_empty() {
            return Err(RecordsError::file(path, "holds no answers; download it again, or name a run folder"));
        }
        notes.push(format!(
            "{}: answers without a manifest: what model and settings they are of is what the file says; no command stands for it",
            path.display()
        ));
        let mut hasher = Sha256::new();
        add(&mut hasher, names::ANSWERS, &std::fs::read(path).map_err(|e| RecordsError::file(path, e))?);
        Ok(Self {
            name: name(path, long),
            manifest: json!({"command": "answers without a manifest"}),
            answers,
            digest: hex(&hasher.finalize()),
            notes,
            ..Self::default()
        })
    }

    /// What the records of an attack name but do not hold.
    fn lost(&self, dir: &Path) -> Vec<String> {
        let answers: HashSet<String> = self.answers.iter().map(Record::key).collect();
        let timed: HashSet<String> = self.seconds.iter().map(Record::key).collect();
        let named = self.cases.iter().flat_map(|case| &case.candidates);
        let (unheld, untimed) = (
            named.filter(|key| !answers.contains(*key)).count(),
            self.cases.iter().filter(|case| !timed.contains(&case.key())).count(),
        );
        let (dir, of) = (dir.display(), self.cases.len());
        let answers = (unheld > 0).then(|| {
            format!("{dir}: answers.jsonl lacks {unheld} answers that cases.jsonl names; the command that made the run makes them again")
        });
        // Imported attacks and those of earlier versions have no times at all.
        let seconds = (untimed > 0 && !timed.is_empty())
            .then(|| format!("{dir}: seconds.jsonl lacks {untimed} of {of} behaviours; means are over the others"));
        answers.into_iter().chain(seconds).collect()
    }

    /// A value of the manifest as words.
    pub fn said(&self, key: &str) -> Option<String> {
        match self.manifest.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// What the model under an attack or at a task is called: the manifest's `label`, else the first part of the run's
    /// name that says more than the attack's or the task's, else the model and adapter the manifest names.
    pub fn model(&self, attack: &str) -> String {
        self.model_of(&self.name, attack)
    }

    /// The defences of the run as its manifest has them, in the order they act; none where it was not defended.
    pub fn defences(&self) -> &[Value] {
        self.manifest.get("defences").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The names of its defences, `a + b`; `none` without any.
    pub fn stack(&self) -> String {
        let names = self.defences().iter().map(|d| d["name"].as_str().unwrap_or("-"));
        let names: Vec<&str> = names.collect();
        if names.is_empty() { NO_DEFENCE.to_owned() } else { names.join(" + ") }
    }

    /// What is attacked or asked: the model, and with what it is defended.
    pub(crate) fn subject(&self, attack: &str) -> String {
        self.with_defences(self.model(attack))
    }

    /// A model's name with the defences of this run behind it.
    pub(crate) fn with_defences(&self, model: String) -> String {
        if self.defences().is_empty() { model } else { format!("{model} with {}", self.stack()) }
    }

    /// The same for a run of another name.
    pub(crate) fn model_of(&self, name: &str, attack: &str) -> String {
        let part = || name.split('/').map(|part| without(part, attack)).find(|part| !part.is_empty());
        self.said("label").or_else(|| part().map(str::to_owned)).unwrap_or_else(|| {
            let model = self.said("model").unwrap_or_else(|| self.name.clone());
            let model = model.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            match self.manifest.pointer("/hashes/adapter").and_then(Value::as_str) {
                Some(adapter) => format!("{model} + {}", adapter.chars().take(8).collect::<String>()),
                None => model.to_owned(),
            }
        })
    }
}

/// `base-tap` without `tap` is `base`; `tap` is nothing.
fn without<'a>(part: &'a str, attack: &str) -> &'a str {
    let between = |c: char| !c.is_alphanumeric();
    let front = || part.strip_suffix(attack).filter(|rest| rest.ends_with(between));
    let back = || part.strip_prefix(attack).filter(|rest| rest.starts_with(between));
    if part == attack { "" } else { front().or_else(back).unwrap_or(part).trim_matches(between) }
}

fn name(dir: &Path, long: bool) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let part = |p: Option<&Path>| p.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    match (part(Some(&whole)), part(whole.parent()).filter(|_| long)) {
        (Some(own), Some(above)) => format!("{above}/{own}"),
        (Some(own), None) => own,
        _ => dir.display().to_string(),
    }
}

/// Lines of training metrics, one per step; half a last line is left out.
fn metrics(path: &Path, notes: &mut Vec<String>) -> Result<Vec<Value>, RecordsError> {
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(RecordsError::file(path, e)),
        read => read.unwrap_or_default(),
    };
    let (mut all, mut steps, mut repeated) = (Vec::new(), HashSet::new(), 0);
    for (line, content) in lines(&bytes) {
        let damaged = |e: serde_json::Error| RecordsError::Damaged { path: path.to_owned(), line, what: e.to_string() };
        let metrics: Value = serde_json::from_slice(content).map_err(damaged)?;
        match metrics["step"].as_u64() {
            Some(step) if !steps.insert(step) => repeated += 1,
            _ => all.push(metrics),
        }
    }
    if repeated > 0 {
        let path = path.display();
        notes
            .push(format!("{path}: {repeated} lines repeat a step, which is counted once; two commands wrote at once"));
    }
    if let Some(first) = all.first().and_then(|m| m["step"].as_u64()).filter(|first| *first > 1) {
        notes.push(format!("{}: begins with step {first}; the steps before it are lost", path.display()));
    }
    Ok(all)
}

fn digest(dir: &Path) -> String {
    let mut hasher = Sha256::new();
    for name in FILES {
        if let Ok(bytes) = std::fs::read(dir.join(name)) {
            add(&mut hasher, name, &bytes);
        }
    }
    hex(&hasher.finalize())
}

/// Adds a file to a digest: its name, its length, its bytes.
fn add(hasher: &mut Sha256, name: &str, bytes: &[u8]) {
    hasher.update(name);
    hasher.update(bytes.len().to_le_bytes());
    hasher.update(bytes);
}
