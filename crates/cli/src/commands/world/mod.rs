//! `mosa world`: the embedded world, its files and its model.

pub(crate) mod answered;
mod documents;
pub(crate) mod measure;
pub(crate) mod questions;
mod train;

use crate::args::{WorldArgs, WorldCommand, WorldDataArgs};
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(args: &WorldArgs) -> Result<(), Failure> {
    match &args.what {
        WorldCommand::Train(args) => train::run(args),
        WorldCommand::Measure(args) => measure::run(args),
        WorldCommand::Data(args) => data(args),
    }
}

/// Writes the world's benchmark files.
fn data(args: &WorldDataArgs) -> Result<(), Failure> {
    for path in mosa_world::benchmark::write_all(&args.out)? {
        output::line(&path.display().to_string())?;
    }
    Ok(())
}
