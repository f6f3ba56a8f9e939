//! That a part of a run is whole, and what its files were then.

use crate::fence::{Fence, LEASE};
use crate::names::VERDICTS;
use crate::{RecordsError, write_whole};
use mosa_core::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The file that says it.
pub(crate) const DONE: &str = "done.json";
const FORM: &str = "done/1";

/// The record files of a finished part by name, each with the SHA-256 of its bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Finished {
    schema: String,
    files: BTreeMap<String, String>,
}

/// Says that a part is whole. Verdicts are left out where they are not what the part was made for: judges may come later.
pub(crate) fn write(dir: &Path, judges: bool) -> Result<(), RecordsError> {
    let (path, fence) = (dir.join(DONE), Fence::around(dir));
    let mut files = BTreeMap::new();
    for name in records(dir)?.into_iter().filter(|name| judges || name != VERDICTS) {
        let sum = sum(&dir.join(&name))?;
        files.insert(name, sum);
    }
    let finished = Finished { schema: FORM.into(), files };
    if read(dir).is_ok_and(|there| there.as_ref() == Some(&finished)) {
        return Ok(());
    }
    fence.map_or(Ok(()), |fence| fence.check())?;
    let wrong = |e: io::Error| RecordsError::file(&path, e);
    let text = serde_json::to_string_pretty(&finished).map_err(|e| wrong(e.into()))?;
    write_whole(&path, format!("{text}\n").as_bytes()).map_err(wrong)
}

/// Refuses a part that is not finished, or whose files have changed since. `again` is how it is made again.
pub(crate) fn check(dir: &Path, name: &str, again: &str) -> Result<(), RecordsError> {
    let unfinished = |what: &str| RecordsError::file(dir, format!("{name} {what}; {again}, then merge"));
    let Some(finished) = read(dir)? else { return Err(unfinished("is not finished")) };
    for (file, expected) in &finished.files {
        let path = dir.join(file);
        if !path.exists() || sum(&path)? != *expected {
            return Err(unfinished(&format!("was finished, but {file} has changed since")));
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Option<Finished>, RecordsError> {
    let path = dir.join(DONE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(RecordsError::file(&path, e)),
    };
    let what = |e| format!("cannot be read ({e}); remove it and run the command of the part again");
    serde_json::from_slice(&bytes).map(Some).map_err(|e| RecordsError::file(&path, what(e)))
}

fn sum(path: &Path) -> Result<String, RecordsError> {
    let mut hasher = Sha256::new();
    let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    read.map_err(|e| RecordsError::file(path, e))?;
    Ok(hex(&hasher.finalize()))
}

/// The record files of a run folder.
pub(crate) fn records(dir: &Path) -> Result<Vec<String>, RecordsError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| RecordsError::file(dir, e))? {
        let entry = entry.map_err(|e| RecordsError::file(dir, e))?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && name.ends_with(".jsonl") && name != LEASE {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
