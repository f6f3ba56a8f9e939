//! The cache of verdicts: what a judge model said once is not paid for again.

use crate::{JudgeError, Verdict};
use mosa_records::names::{ANSWERS, MANIFEST, MANIFEST_BEGUN, VERDICTS};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Name of the file in the folder of a cache.
const FILE: &str = VERDICTS;
/// Files of a run folder, whose verdicts have the same name and another form.
const OF_A_RUN: [&str; 3] = [MANIFEST, MANIFEST_BEGUN, ANSWERS];

/// Verdicts by a hash of everything they depend on, in a file that only grows. Only assessed verdicts are put in, so
/// what failed is asked again.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    damaged: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    known: HashMap<String, Verdict>,
    hits: u64,
    problem: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line<V> {
    key: String,
    verdict: V,
}

/// Why a file is not written to.
const NO_CACHE: &str = "holds something else than a cache of verdicts";

/// Whether a line is whole and no line of a cache, of whatever version: what a kill cuts short is no JSON, and zero bytes
/// are left by a crash.
fn is_foreign(line: &[u8]) -> bool {
    let line = line.rsplit(|b| *b == 0).next().unwrap_or_default();
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(value) => value.get("key").is_none() || value.get("verdict").is_none(),
        Err(_) => !line.is_empty() && !line.starts_with(b"{"),
    }
}

impl Cache {
    /// Opens the cache of a folder, making both if there are none. Lines that cannot be read, such as a last one cut
    /// short, are skipped and counted.
    ///
    /// # Errors
    ///
    /// If the folder or its file cannot be opened, or if either is not a cache's: nothing is written to them then.
    pub fn open(folder: &Path) -> Result<Self, JudgeError> {
        let path = folder.join(FILE);
        let failed = |source| JudgeError::Cache { path: path.clone(), source };
        if let Some(name) = OF_A_RUN.iter().find(|name| folder.join(name).exists()) {
            return Err(JudgeError::NotACache { path: folder.join(name), what: "belongs to a run" });
        }
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(failed)?;
        let mut known = HashMap::new();
        let mut damaged = 0;
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            match serde_json::from_slice::<Line<Verdict>>(line) {
                Ok(line) => drop(known.insert(line.key, line.verdict)),
                Err(_) if is_foreign(line) => return Err(JudgeError::NotACache { path, what: NO_CACHE }),
                Err(_) => damaged += 1,
            }
        }
        if bytes.last().is_some_and(|b| *b != b'\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { path, damaged, state: Mutex::new(State { file, known, hits: 0, problem: None }) })
    }

    /// The verdict of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Verdict> {
        let mut state = self.lock();
        let found = state.known.get(key).cloned();
        state.hits += u64::from(found.is_some());
        found
    }

    /// Remembers a verdict, in memory and at the end of the file. A verdict is not lost when the file cannot be
    /// written: that becomes the [`problem`](Self::problem) of the cache.
    pub(crate) fn put(&self, key: &str, verdict: &Verdict) {
        let line = serde_json::to_string(&Line { key: key.to_owned(), verdict });
        let mut state = self.lock();
        state.known.insert(key.to_owned(), verdict.clone());
        let written = match line {
            Ok(line) => state.file.write_all((line + "\n").as_bytes()).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = written {
            let path = self.path.display();
            state.problem.get_or_insert(format!("cannot write {path}: {why}; these verdicts will be paid for again"));
        }
    }

    /// How many verdicts it has.
    pub fn len(&self) -> usize {
        self.lock().known.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many verdicts were taken from it.
    pub fn hits(&self) -> u64 {
        self.lock().hits
    }

    /// How many lines of its file could not be read.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Why the first verdict that could not be written was not.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
