//! The folder of a run and its manifest.

use crate::whole::{clear_unfinished, unfinished_of};
use crate::{LOCK, Lock, RecordsError, write_whole};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that says what the run is.
pub const MANIFEST: &str = "manifest.json";
/// What earlier versions left of a manifest when they were killed while they wrote it.
const BEGUN: &str = "manifest.json.partial";
/// The part of a manifest that may differ between the sessions of one run: where it was started.
const MACHINE: &str = "machine";
const SCHEMA: &str = "run/1";

/// A run folder whose manifest is this run's, and which no other command writes into while this one is open.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
    lock: Arc<Lock>,
}

impl RunFolder {
    /// Creates the folder, or opens it if it belongs to a run with the same manifest, and locks it. The machine it was
    /// started on is noted beside it and not compared.
    ///
    /// # Errors
    /// [`RecordsError::OtherRun`] listing the keys that differ; [`RecordsError::Busy`] naming the process that writes into
    /// it; [`RecordsError::File`] if the folder holds something else or cannot be used.
    pub fn open(dir: &Path, manifest: &Value) -> Result<Self, RecordsError> {
        let command = manifest["command"].as_str().or(manifest["objective"].as_str()).unwrap_or("");
        Self::open_locked(Self::lock(dir, command)?, manifest)
    }

    /// Creates the folder if it is not there, and locks it for a command.
    ///
    /// # Errors
    /// [`RecordsError`] as for [`RunFolder::open`].
    pub fn lock(dir: &Path, command: &str) -> Result<Lock, RecordsError> {
        if !dir.join(MANIFEST).exists() {
            let entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
            if !entries.iter().all(is_left_over) {
                let what = "holds files but no manifest.json: not a run folder; name a new one";
                return Err(RecordsError::file(dir, what));
            }
            fs::create_dir_all(dir).map_err(|e| RecordsError::file(dir, e))?;
        }
        Lock::take(dir, command)
    }

    /// Opens a folder that is locked already.
    ///
    /// # Errors
    /// [`RecordsError`] as for [`RunFolder::open`].
    pub fn open_locked(lock: Lock, manifest: &Value) -> Result<Self, RecordsError> {
        let dir = lock.dir().to_owned();
        let path = dir.join(MANIFEST);
        clear_unfinished(&dir);
        if path.exists() {
            // As it reads back: numbers may be written in other words than they are held in.
            let here: Value = serde_json::from_str(&manifest.to_string()).map_err(|e| RecordsError::file(&path, e))?;
            let there = Self::manifest(&dir)?;
            let mut differences = Vec::new();
            differ("", &compared(&there), &compared(&here), &mut differences);
            if !differences.is_empty() {
                return Err(RecordsError::OtherRun { dir, differences: differences.join("; ") });
            }
        } else {
            let mut whole = json!({"schema": SCHEMA});
            if let (Value::Object(out), Value::Object(given)) = (&mut whole, manifest.clone()) {
                out.extend(given);
                out.insert(MACHINE.into(), machine());
            }
            write_whole(&path, format!("{whole:#}\n").as_bytes()).map_err(|e| RecordsError::file(&path, e))?;
            let begun = dir.join(BEGUN);
            if fs::read(&begun).is_ok_and(|text| text.first().is_none_or(|&b| b == b'{' || b == 0)) {
                fs::remove_file(&begun).map_err(|e| RecordsError::file(&begun, e))?;
            }
        }
        Ok(Self { dir, lock: Arc::new(lock) })
    }

    /// The manifest of a folder.
    ///
    /// # Errors
    /// [`RecordsError::File`] if there is none or it cannot be read.
    pub fn manifest(dir: &Path) -> Result<Value, RecordsError> {
        let path = dir.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|e| RecordsError::file(&path, format!("{e}; not a run folder?")))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let what = format!(
                "cannot be read ({e}): a crash may have emptied it. The records beside it are whole, but nothing says which run they are of: put a copy of the manifest back, or name another folder"
            );
            RecordsError::file(&path, what)
        })
    }

    /// Why the folder is not protected from other commands, where it is not.
    pub fn warning(&self) -> Option<&str> {
        self.lock.warning()
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

/// Whether an entry of a folder without manifest says only that a run was about to begin in it.
fn is_left_over(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let ours = |name: &str| name == LOCK || name == BEGUN || unfinished_of(name).is_some();
    name.to_str().is_some_and(ours) && entry.file_type().is_ok_and(|kind| kind.is_file())
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
