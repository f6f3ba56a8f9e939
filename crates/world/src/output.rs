//! Writing text files with errors that name them.

use crate::WorldError;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Whether a CSV file starts with the names of its columns.
#[derive(Clone, Copy)]
pub(crate) enum Header {
    Names,
    None,
}

/// Writes a text and creates the folders above it. A file that holds something else is refused.
pub(crate) fn text(path: &Path, content: impl AsRef<[u8]>) -> Result<PathBuf, WorldError> {
    let failed = |source| WorldError::Write { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    mosa_records::restore(path, content.as_ref())?;
    Ok(path.to_owned())
}

/// Writes one JSON value.
pub(crate) fn json(path: &Path, value: &impl Serialize) -> Result<PathBuf, WorldError> {
    let failed = |source| WorldError::Json { path: path.to_owned(), source };
    text(path, serde_json::to_string_pretty(value).map_err(failed)? + "\n")
}

/// Writes one JSON object per line.
pub(crate) fn jsonl<T: Serialize>(path: &Path, rows: &[T]) -> Result<PathBuf, WorldError> {
    let failed = |source| WorldError::Json { path: path.to_owned(), source };
    let mut lines = String::new();
    for row in rows {
        lines += &serde_json::to_string(row).map_err(failed)?;
        lines.push('\n');
    }
    text(path, lines)
}

/// Writes comma-separated rows.
pub(crate) fn csv<T: Serialize>(path: &Path, rows: &[T], header: Header) -> Result<PathBuf, WorldError> {
    let failed = |source| WorldError::Csv { path: path.to_owned(), source };
    let with_names = matches!(header, Header::Names);
    let mut writer = csv::WriterBuilder::new().has_headers(with_names).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(e.into_error().into()))?;
    text(path, bytes)
}

/// Writes one sentence per line.
pub(crate) fn lines(path: &Path, lines: &[&str]) -> Result<PathBuf, WorldError> {
    text(path, lines.join("\n") + "\n")
}
