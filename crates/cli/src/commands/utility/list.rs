//! `mosa utility list` and `show`: which tasks there are, and how each is asked.

use crate::args::{ListArgs, Listed};
use crate::commands::list;
use crate::failure::Failure;
use crate::output;
use anyhow::Result;
use mosa_task::{TaskFile, built_ins};

/// Every task under each of its protocols, the first of which is asked by if none is named: `mosa list tasks`.
pub(super) fn print() -> Result<(), Failure> {
    list::run(&ListArgs { what: Listed::Tasks, json: false })
}

/// The task file of a built-in task: a start for one's own.
pub(super) fn show(name: &str, protocol: Option<&str>) -> Result<()> {
    let file = TaskFile::built_in(name, protocol)?;
    let shown = built_ins().iter().find(|task| task.name == file.name() && task.protocol == file.protocol());
    Ok(output::line(shown.map_or("", |task| task.toml).trim_end())?)
}
