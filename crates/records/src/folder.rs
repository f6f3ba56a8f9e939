//! The folder of a run and its manifest.

use crate::fence::LEASE;
use crate::finished;
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
            Self::check_free(dir)?;
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
            notes = Self::compared(&dir, run)?;
        } else {
            begin(&path, run)?;
        }
        Ok(Self { dir, lock: Arc::new(lock), notes })
    }

    /// Refuses a folder without manifest that holds files of somebody else.
    pub(crate) fn check_free(dir: &Path) -> Result<(), RecordsError> {
        let entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
        match entries.iter().all(is_left_over) {
            true => Ok(()),
            false => {
                let what = "holds files but no manifest.json: not a run folder; name a new one";
                Err(RecordsError::file(dir, what))
            }
        }
    }

    /// Compares the manifest of a folder with a run; what does not matter is returned as notes.
    pub(crate) fn compared(dir: &Path, run: &dyn Identity) -> Result<Vec<String>, RecordsError> {
        let there = Self::manifest(dir)?;
        let compared = Comparison::of(there, run).map_err(|e| RecordsError::file(&dir.join(MANIFEST), e))?;
        if !compared.differences.is_empty() {
            return Err(RecordsError::OtherRun { dir: dir.to_owned(), differences: compared.differences.join("; ") });
        }
        Ok(compared.notes.into_iter().map(|note| format!("{}: {note}", dir.display())).collect())
    }

    /// The bytes of the manifest of a new run, started on this machine.
    pub(crate) fn first_manifest(run: &dyn Identity) -> Vec<u8> {
        let mut whole = json!({"schema": MANIFEST_SCHEMA});
        if let (Value::Object(out), Value::Object(given)) = (&mut whole, run.manifest().clone()) {
            out.extend(given);
            out.insert("machine".into(), machine());
        }
        format!("{whole:#}\n").into_bytes()
    }

    /// Says that this part of a run is whole: all its cases are recorded. `judges` is whether verdicts are what it was made
    /// for, and not what may come later.
    ///
    /// # Errors
    /// [`RecordsError`] if that cannot be written.
    pub fn finish(&self, judges: bool) -> Result<(), RecordsError> {
        finished::write(&self.dir, judges)
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
    let ours = |name: &str| [LOCK, LEASE, MANIFEST_BEGUN].contains(&name) || unfinished_of(name).is_some();
    name.to_str().is_some_and(ours) && entry.file_type().is_ok_and(|kind| kind.is_file())
}

/// Writes the manifest of a new run.
fn begin(path: &Path, run: &dyn Identity) -> Result<(), RecordsError> {
    write_whole(path, &RunFolder::first_manifest(run)).map_err(|e| RecordsError::file(path, e))?;
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
