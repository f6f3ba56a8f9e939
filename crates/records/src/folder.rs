//! The folder of a run and its manifest.

use crate::identity::Comparison;
use crate::names::{MANIFEST, MANIFEST_BEGUN};
use crate::whole::{clear_unfinished, unfinished_of};
use crate::{Identity, LOCK, Lock, MANIFEST_SCHEMA, RecordsError, write_whole};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run folder whose manifest is this run's, and which no other command writes into while this one is open.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
    lock: Arc<Lock>,
    notes: Vec<String>,
}

impl RunFolder {
    /// Creates the folder, or opens it if it belongs to the same run ([`Identity`]), and locks it. The machine it was
    /// started on is noted beside it and not compared.
    ///
    /// # Errors
    /// [`RecordsError::OtherRun`] listing the keys that differ; [`RecordsError::Busy`] naming the process that writes into
    /// it; [`RecordsError::File`] if the folder holds something else or cannot be used.
    pub fn open(dir: &Path, run: &dyn Identity) -> Result<Self, RecordsError> {
        let manifest = run.manifest();
        let command = manifest["command"].as_str().or(manifest["objective"].as_str()).unwrap_or("");
        Self::open_locked(Self::lock(dir, command)?, run)
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
    pub fn open_locked(lock: Lock, run: &dyn Identity) -> Result<Self, RecordsError> {
        let dir = lock.dir().to_owned();
        let path = dir.join(MANIFEST);
        clear_unfinished(&dir);
        let mut notes = Vec::new();
        if path.exists() {
            let compared = Comparison::of(Self::manifest(&dir)?, run).map_err(|e| RecordsError::file(&path, e))?;
            if !compared.differences.is_empty() {
                return Err(RecordsError::OtherRun { dir, differences: compared.differences.join("; ") });
            }
            notes = compared.notes.into_iter().map(|note| format!("{}: {note}", dir.display())).collect();
        } else {
            begin(&path, run)?;
        }
        Ok(Self { dir, lock: Arc::new(lock), notes })
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

    /// What is different from the sessions before this one and does not matter, or was not recorded then.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
    let ours = |name: &str| name == LOCK || name == MANIFEST_BEGUN || unfinished_of(name).is_some();
    name.to_str().is_some_and(ours) && entry.file_type().is_ok_and(|kind| kind.is_file())
}

/// Writes the manifest of a new run.
fn begin(path: &Path, run: &dyn Identity) -> Result<(), RecordsError> {
    let mut whole = json!({"schema": MANIFEST_SCHEMA});
    if let (Value::Object(out), Value::Object(given)) = (&mut whole, run.manifest().clone()) {
        out.extend(given);
        out.insert("machine".into(), machine());
    }
    write_whole(path, format!("{whole:#}\n").as_bytes()).map_err(|e| RecordsError::file(path, e))?;
    let begun = path.with_file_name(MANIFEST_BEGUN);
    if fs::read(&begun).is_ok_and(|text| text.first().is_none_or(|&b| b == b'{' || b == 0)) {
        fs::remove_file(&begun).map_err(|e| RecordsError::file(&begun, e))?;
    }
    Ok(())
}

fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({"os": std::env::consts::OS, "arch": std::env::consts::ARCH, "cores": cores})
}
