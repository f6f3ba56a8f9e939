//! `mosa utility list` and `show`: which tasks there are, and how each is asked.

use crate::output;
use crate::table::header;
use anyhow::Result;
use mosa_task::{TaskFile, built_ins};

/// Every task under each of its protocols, the first of which is asked by if none is named.
pub(super) fn print() -> Result<()> {
    let mut rows = vec![header(&["task", "protocol", "what it is"])];
    rows.extend(built_ins().iter().map(|task| vec![task.name.into(), task.protocol.into(), task.about().to_owned()]));
    rows.push(vec!["world".into(), "exact".into(), "the tasks of the embedded world, for its models".into()]);
    Ok(output::line(&output::table(&rows))?)
}

/// The task file of a built-in task: a start for one's own.
pub(super) fn show(name: &str, protocol: Option<&str>) -> Result<()> {
    let file = TaskFile::built_in(name, protocol)?;
    let shown = built_ins().iter().find(|task| task.name == file.name() && task.protocol == file.protocol());
    Ok(output::line(shown.map_or("", |task| task.toml).trim_end())?)
}
