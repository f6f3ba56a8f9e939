//! A run folder with everything it holds.

use mosa_records::{
    AnswerRecord, CurveRecord, LandscapeRecord, Log, MANIFEST, OrderRecord, RecordsError, RunFolder, VerdictRecord,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The records of one run; kinds it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// What it is called in tables and figures.
    pub name: String,
    /// What it was asked to do.
    pub manifest: Value,
    /// `answers.jsonl`.
    pub answers: Vec<AnswerRecord>,
    /// `verdicts.jsonl`.
    pub verdicts: Vec<VerdictRecord>,
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
const FILES: [&str; 7] =
    [MANIFEST, "answers.jsonl", "verdicts.jsonl", "orders.jsonl", "curves.jsonl", "landscapes.jsonl", "metrics.jsonl"];

impl Run {
    /// Reads a folder. Its name is the folder's, with the one above it if `long`.
    ///
    /// # Errors
    /// [`RecordsError`] if it is no run folder, holds no records, or a file is damaged.
    pub fn read(dir: &Path, long: bool) -> Result<Self, RecordsError> {
        let manifest = RunFolder::manifest(dir)?;
        let at = |name: &str| dir.join(name);
        let run = Self {
            name: name(dir, long),
            manifest,
            answers: Log::read(&at("answers.jsonl"))?,
            verdicts: Log::read(&at("verdicts.jsonl"))?,
            orders: Log::read(&at("orders.jsonl"))?,
            curves: Log::read(&at("curves.jsonl"))?,
            landscapes: Log::read(&at("landscapes.jsonl"))?,
            metrics: metrics(&at("metrics.jsonl"))?,
            digest: digest(dir),
        };
        let empty = run.answers.is_empty() && run.orders.is_empty() && run.curves.is_empty();
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
