//! `mosa data`: benchmark files, and attack artifacts from and for other projects.

mod check;
mod export;
mod import;
mod inspect;
mod submitted;

use crate::args::DataCommand;
use crate::failure::Failure;

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
