//! What can go wrong when a judge is set up. Judging itself never fails: see [`Status`](crate::Status).

use mosa_client::EndpointError;
use std::path::PathBuf;

/// An error that names the judge, the setting or the file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// No judge has this name.
    #[error("there is no judge {name:?}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A judge lacks a setting.
    #[error("the judge {judge} needs {key}: {what}")]
    Missing {
        /// Which judge.
        judge: &'static str,
        /// Which setting.
        key: &'static str,
        /// What it is.
        what: &'static str,
    },
    /// A setting cannot be used.
    #[error("judge setting {key} {why}")]
    Setting {
        /// Which.
        key: &'static str,
        /// Why, and what would do.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a file is no recorded verdict.
    #[error("{path}, line {line}: {why}; a line has a key and a verdict", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A file has verdicts of several judges, or none of the one asked for.
    #[error("set replay_judge to one of the judges in {path}: {judges}", path = path.display())]
    WhichJudge {
        /// The file.
        path: PathBuf,
        /// Its judges.
        judges: String,
    },
    /// A cache cannot be opened.
    #[error("cannot open the cache {path}: {source}; give another folder", path = path.display())]
    Cache {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder is not a cache's, and stays as it is.
    #[error("{path} {what}; give the cache a folder of its own (--judge-cache)", path = path.display())]
    NotACache {
        /// What was found.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// An endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}
