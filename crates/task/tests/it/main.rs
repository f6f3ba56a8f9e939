//! The laws of task files: what they ask, what they extract and score, what is said of bad ones.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod answers;
#[path = "../../../data/tests/it/at_hand.rs"]
mod at_hand;
mod bad;
mod conduct;
mod own;
mod real;

use mosa_task::{Choice, FileTask, Said, Scoring, Task, TaskError, TaskFile};
use std::path::Path;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

/// A task file's text on data in a folder of these files.
fn load(toml: &str, files: &[(&str, &str)], choice: &Choice) -> Result<FileTask, TaskError> {
    let dir = folder(files);
    TaskFile::parse(Path::new("own.toml"), toml)?.load(dir.path(), choice)
}

/// The scores of a text, none of which needs a program.
fn scores(task: &FileTask, item: usize, text: &str) -> Vec<mosa_records::SampleScore> {
    let scored = task.score(&task.items()[item], &Said::Text(text.into())).unwrap();
    let done = scored.into_iter().map(|scoring| match scoring {
        Scoring::Done(score) => score,
        Scoring::Program { .. } => panic!("a program"),
    });
    done.collect()
}
