//! What can be wrong with a run folder.

use std::path::{Path, PathBuf};

/// An error that names the file.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The folder belongs to another run.
    #[error("{}: belongs to a run with other settings ({differences}); name a new folder, or give the same settings to resume", .dir.display())]
    OtherRun {
        /// The folder.
        dir: PathBuf,
        /// Key, old and new value.
        differences: String,
    },
    /// A line in the middle of a record file cannot be read.
    #[error("{}: line {line}: {what}; remove the line, and the same command makes it again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why not.
        what: String,
    },
    /// A record file holds two records where one may be.
    #[error(
        "{}: lines {} and {} hold different records of {key}{}: two commands wrote at once; remove one of the two lines, or both, and the same command makes the record again",
        .path.display(), .lines[0], .lines[1], more(*.others)
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        lines: [usize; 2],
        /// What both are the record of.
        key: String,
        /// How many more such pairs there are.
        others: usize,
    },
    /// Another command writes into the folder.
    #[error("{}: another command writes into this folder{}; wait until it is done, or name another folder", .dir.display(), by(.holder))]
    Busy {
        /// The folder.
        dir: PathBuf,
        /// Process and command that hold it, as far as they are known.
        holder: String,
    },
    /// Another worker has the chunk now.
    #[error("{}: another worker has taken this chunk over, because its lease was not renewed in time; nothing more is written into it", .dir.display())]
    Lost {
        /// The folder of the chunk as this worker had it.
        dir: PathBuf,
    },
    /// Parts do not make up a run.
    #[error("{what}")]
    NoPart {
        /// What is missing, or there twice.
        what: String,
    },
    /// Two folders hold parts of different runs.
    #[error("{} and {} are parts of different runs ({differences}); merge those of one run", .dirs[1].display(), .dirs[0].display())]
    OtherParts {
        /// The folders.
        dirs: [PathBuf; 2],
        /// Key, and both values: of the second, and of the first.
        differences: String,
    },
    /// A file or folder of the run cannot be used.
    #[error("{}: {what}", .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why not.
        what: String,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", and {others} more pairs of lines do") }
}

fn by(holder: &str) -> String {
    if holder.is_empty() { String::new() } else { format!(": {holder}") }
}

impl RecordsError {
    /// A file or folder that cannot be used.
    pub fn file(path: &Path, what: impl ToString) -> Self {
        Self::File { path: path.to_owned(), what: what.to_string() }
    }
}
