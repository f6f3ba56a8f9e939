//! What can be wrong with a benchmark or an exchange file.

use std::path::{Path, PathBuf};

/// An error that names the file, the row and the fix.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A table or one of its rows cannot be used.
    #[error(transparent)]
    Rows(#[from] mosa_text::TextError),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and how to fix it.
        what: String,
    },
    /// Nothing is left to work with.
    #[error("{}: no behaviours: {why}", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Why, and how to fix it.
        why: String,
    },
    /// An id that the benchmark does not have.
    #[error(
        "the benchmark ({kind}, {rows} behaviours) has no id {id:?}: give the file and the subsets it was made with"
    )]
    UnknownId {
        /// The id.
        id: String,
        /// The benchmark.
        kind: &'static str,
        /// How many behaviours it has.
        rows: usize,
    },
    /// A text is not in the format it should be in.
    #[error("not {format}: {what}")]
    Format {
        /// The format.
        format: &'static str,
        /// What is wrong and where.
        what: String,
    },
    /// A format has no place for what a submission holds.
    #[error("{format} cannot hold the submission for {id:?}: {what}")]
    Unrepresentable {
        /// The format.
        format: &'static str,
        /// The behaviour.
        id: String,
        /// What is in the way, and how to fix it.
        what: &'static str,
    },
    /// A setting is out of range.
    #[error("{0}")]
    Setting(String),
}

impl DataError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, what: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), what: what.to_string() }
    }

    pub(crate) fn format(format: &'static str, what: impl ToString) -> Self {
        Self::Format { format, what: what.to_string() }
    }

    pub(crate) fn unrepresentable(format: &'static str, id: &str, what: &'static str) -> Self {
        Self::Unrepresentable { format, id: id.to_owned(), what }
    }
}
