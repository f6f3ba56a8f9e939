//! What can be wrong with a task.

use std::path::PathBuf;

/// A task that cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file that cannot be read or does not hold what it should; `what` ends with what to do.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the row and the fix.
        what: String,
    },
    /// A setting that cannot be used.
    #[error("{0}")]
    Setting(String),
    /// An item that cannot be asked or scored.
    #[error("{place}: {what}")]
    Item {
        /// Where it stands.
        place: String,
        /// What is wrong, with the fix.
        what: String,
    },
}

impl TaskError {
    /// An error about a file.
    pub fn file(path: impl Into<PathBuf>, what: impl ToString) -> Self {
        Self::File { path: path.into(), what: what.to_string() }
    }
}
