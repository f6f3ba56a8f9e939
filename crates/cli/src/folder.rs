//! Run folders and record files, with what there is to say about them said.

use crate::output;
use mosa_records::{Identity, Log, Record, RecordsError, RunFolder};
use std::path::Path;

/// Opens a run folder for writing.
pub(crate) fn open(dir: &Path, run: &dyn Identity) -> Result<RunFolder, RecordsError> {
    if dir.exists() && !dir.is_dir() {
        return Err(RecordsError::file(dir, "is a file, and records need a folder; name a new one"));
    }
    let folder = RunFolder::open(dir, run)?;
    tell(&folder);
    Ok(folder)
}

/// Says what there is to know of an opened folder.
pub(crate) fn tell(folder: &RunFolder) {
    warn(folder.warning());
    folder.notes().iter().for_each(|note| output::say(&format!("note: {note}")));
}

/// Opens a record file for writing.
pub(crate) fn log<R: Record>(path: &Path) -> Result<Log<R>, RecordsError> {
    let log = Log::open(path)?;
    warn(log.note().as_deref());
    Ok(log)
}

/// Reads a record file.
pub(crate) fn read<R: Record>(path: &Path) -> Result<Vec<R>, RecordsError> {
    let mut notes = Vec::new();
    let records = Log::read_noting(path, &mut notes)?;
    notes.iter().for_each(|note| warn(Some(note)));
    Ok(records)
}

/// Says what is wrong with a folder but stops nothing.
pub(crate) fn warn(what: Option<&str>) {
    if let Some(what) = what {
        output::say(&format!("warning: {what}"));
    }
}
