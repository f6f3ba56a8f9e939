//! `mosa data`: benchmark files, and attack artifacts from and for other projects.

mod check;
mod export;
mod import;

use crate::args::{DataCommand, ReadArgs};
use crate::commands::attack::CASES;
use crate::failure::Failure;
use anyhow::{Result, ensure};
use mosa_data::{Benchmark, Columns};
use std::path::Path;

/// How the note begins that stands for a response.
const REDACTED: &str = "[response removed: ";
/// HarmBench's stage files, the last stage first.
const STAGES: [&str; 3] = ["results.json", "completions.json", "test_cases.json"];

pub(crate) fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Check(args) => check::run(args),
        DataCommand::Export(args) => Ok(export::run(args)?),
        DataCommand::Import(args) => Ok(import::run(args)?),
    }
}

/// A benchmark file; a missing one is said to be missing.
fn benchmark(path: &Path, args: &ReadArgs, columns: Option<&Columns>) -> Result<Benchmark> {
    ensure!(path.exists(), "{}: no such file; give the path of a .jsonl, .json or .csv file", path.display());
    Ok(mosa_data::read(path, &args.options(columns))?)
}
