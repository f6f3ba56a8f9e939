//! The folder of a run and its manifest.

use crate::{RecordsError, write_whole};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that says what the run is.
pub const MANIFEST: &str = "manifest.json";
/// The part of a manifest that may differ between the sessions of one run: where it was started.
const MACHINE: &str = "machine";
const SCHEMA: &str = "run/1";

/// A run folder whose manifest is this run's.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
}

impl RunFolder {
    /// Creates the folder, or opens it if it belongs to a run with the same manifest. The machine it was started on is
    /// noted beside it and not compared.
    ///
    /// # Errors
    /// [`RecordsError::OtherRun`] listing the keys that differ; [`RecordsError::File`] if the folder holds something
    /// else or cannot be used.
    pub fn open(dir: &Path, manifest: &Value) -> Result<Self, RecordsError> {
        let path = dir.join(MANIFEST);
        // As it reads back: numbers may change in their last digit when they are parsed.
        let here: Value = serde_json::from_str(&manifest.to_string()).map_err(|e| RecordsError::file(&path, e))?;
        if path.exists() {
            let there = Self::manifest(dir)?;
            let mut differences = Vec::new();
            differ("", &compared(&there), &compared(&here), &mut differences);
            if !differences.is_empty() {
                return Err(RecordsError::OtherRun { dir: dir.to_owned(), differences: differences.join("; ") });
            }
        } else {
            let used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
            if used {
                let what = "holds files but no manifest.json: not a run folder; name a new one";
                return Err(RecordsError::file(dir, what));
            }
            fs::create_dir_all(dir).map_err(|e| RecordsError::file(dir, e))?;
            let mut whole = json!({"schema": SCHEMA});
            if let (Value::Object(out), Value::Object(given)) = (&mut whole, here) {
                out.extend(given);
                out.insert(MACHINE.into(), machine());
            }
            write_whole(&path, format!("{whole:#}\n").as_bytes()).map_err(|e| RecordsError::file(&path, e))?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The manifest of a folder.
    ///
    /// # Errors
    /// [`RecordsError::File`] if there is none or it cannot be read.
    pub fn manifest(dir: &Path) -> Result<Value, RecordsError> {
        let path = dir.join(MANIFEST);
        let text =
            fs::read_to_string(&path).map_err(|e| RecordsError::file(&path, format!("{e}; not a run folder?")))?;
        serde_json::from_str(&text).map_err(|e| RecordsError::file(&path, e))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({"os": std::env::consts::OS, "arch": std::env::consts::ARCH, "cores": cores})
}

fn compared(manifest: &Value) -> Value {
    let mut out = manifest.clone();
    if let Value::Object(map) = &mut out {
        map.remove(MACHINE);
        map.remove("schema");
    }
    out
}

/// The keys in which two manifests differ, with both values.
fn differ(key: &str, there: &Value, here: &Value, out: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for k in keys {
                let inner = if key.is_empty() { k.clone() } else { format!("{key}.{k}") };
                differ(&inner, a.get(k).unwrap_or(&Value::Null), b.get(k).unwrap_or(&Value::Null), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{key} was {}, is {}", short(a), short(b))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}
