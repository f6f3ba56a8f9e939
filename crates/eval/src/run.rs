//! A run folder with everything it holds.

use mosa_attack::{CaseRecord, SecondsRecord};
use mosa_records::{
    AnswerRecord, CurveRecord, LandscapeRecord, Log, MANIFEST, OrderRecord, Record, RecordsError, RunFolder,
    VerdictRecord, tell_judges_apart,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
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
    /// `metrics.jsonl` of a training run.
    pub metrics: Vec<Value>,
    /// SHA-256 of all of it.
    pub digest: String,
}

/// The files of a run, in the order of the digest.
const FILES: [&str; 9] = [
    MANIFEST,
    "answers.jsonl",
    "verdicts.jsonl",
    "orders.jsonl",
    "curves.jsonl",
    "landscapes.jsonl",
    "metrics.jsonl",
    "cases.jsonl",
    "seconds.jsonl",
];

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

    /// Reads a folder. Its name is the folder's, with the one above it if `long`.
    ///
    /// # Errors
    /// [`RecordsError`] if it is no run folder, holds no records, or a file is damaged.
    pub fn read(dir: &Path, long: bool) -> Result<Self, RecordsError> {
        let mut run = Self::read_one(dir, long)?;
        tell_judges_apart(&mut run.verdicts);
        Ok(run)
    }

    fn read_one(dir: &Path, long: bool) -> Result<Self, RecordsError> {
        let manifest = RunFolder::manifest(dir)?;
        let at = |name: &str| dir.join(name);
        let answers: Vec<AnswerRecord> = Log::read(&at("answers.jsonl"))?;
        let mut verdicts: Vec<VerdictRecord> = Log::read(&at("verdicts.jsonl"))?;
        let all = verdicts.len();
        let by_key: HashMap<String, &AnswerRecord> = answers.iter().map(|a| (a.key(), a)).collect();
        verdicts.retain(|v| v.text.is_empty() || by_key.get(&v.answer).is_none_or(|a| v.text == a.text_hash(v.view)));
        let outdated = all - verdicts.len();
        // Earlier versions took an answer that was never given for one that resists.
        for verdict in &mut verdicts {
            if let Some(why) = by_key.get(&verdict.answer).and_then(|a| a.unsaid()) {
                (verdict.success, verdict.value, verdict.status) = (None, None, why);
            }
        }
        let run = Self {
            name: name(dir, long),
            manifest,
            outdated,
            answers,
            cases: Log::read(&at("cases.jsonl"))?,
            seconds: Log::read(&at("seconds.jsonl"))?,
            verdicts,
            orders: Log::read(&at("orders.jsonl"))?,
            curves: Log::read(&at("curves.jsonl"))?,
            landscapes: Log::read(&at("landscapes.jsonl"))?,
            metrics: metrics(&at("metrics.jsonl"))?,
            digest: digest(dir),
        };
        let silent = run.answers.is_empty() && run.cases.is_empty();
        let empty = silent && run.orders.is_empty() && run.curves.is_empty();
        if empty && run.landscapes.is_empty() && run.metrics.is_empty() {
            return Err(RecordsError::file(dir, "holds no records; run the probe to its first record, then report"));
        }
        Ok(run)
    }

    /// A value of the manifest as words.
    pub fn said(&self, key: &str) -> Option<String> {
        match self.manifest.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// What the model under an attack is called: the manifest's `label`, else the first part of the run's name that
    /// says more than the attack's, else the model and adapter the manifest names.
    pub fn model(&self, attack: &str) -> String {
        let part = || self.name.split('/').map(|part| without(part, attack)).find(|part| !part.is_empty());
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

/// Lines of training metrics; half a last line is left out.
fn metrics(path: &Path) -> Result<Vec<Value>, RecordsError> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let parse = |(line, content): (usize, &str)| {
        let damaged = |e: serde_json::Error| RecordsError::Damaged { path: path.to_owned(), line, what: e.to_string() };
        serde_json::from_str(content).map_err(damaged)
    };
    (1..).zip(whole.lines()).map(parse).collect()
}

fn digest(dir: &Path) -> String {
    let mut hasher = Sha256::new();
    for name in FILES {
        if let Ok(bytes) = std::fs::read(dir.join(name)) {
            hasher.update(name);
            hasher.update(bytes.len().to_le_bytes());
            hasher.update(&bytes);
        }
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
