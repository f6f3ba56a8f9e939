//! `mosa report`: the records of runs as one page.

use super::{quickstart, reproduce};
use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::{folder, page};
use mosa_eval::{Run, report};
use std::collections::HashSet;

pub(crate) fn run(args: &ReportArgs) -> Result<(), Failure> {
    if let [only] = args.runs.as_slice()
        && quickstart::is_run(only)
    {
        return Ok(page::write(quickstart::drawn(only)?, &args.out, args.tables.as_deref())?);
    }
    if let [only] = args.runs.as_slice()
        && reproduce::is_run(only)
    {
        return Ok(page::write(reproduce::drawn(only)?, &args.out, args.tables.as_deref())?);
    }
    let names: HashSet<_> = args.runs.iter().map(|r| r.file_name()).collect();
    let runs = Run::read_all(&args.runs, names.len() < args.runs.len())?;
    runs.iter().flat_map(|run| &run.notes).for_each(|note| folder::warn(Some(note)));
    Ok(page::write(report(&runs), &args.out, args.tables.as_deref())?)
}
