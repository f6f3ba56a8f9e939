//! What can go wrong when the world is written to disk.

use std::path::PathBuf;

/// An error that names the file.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A file or its folder could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is there already and holds something else.
    #[error(transparent)]
    Records(#[from] mosa_records::RecordsError),
    /// A JSON value could not be written.
    #[error("cannot write {path} as JSON: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A CSV row could not be written.
    #[error("cannot write {path} as CSV: {source}", path = path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
}
