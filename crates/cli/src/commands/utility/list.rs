//! `mosa utility list` and `show`: which tasks there are, and how each is asked.

use crate::output;
use crate::table::header;
use anyhow::Result;
use mosa_task::{BUILT_IN, find};

/// Every task under each of its protocols, the first of which is asked by if none is named.
pub(super) fn print() -> Result<()> {
    let mut rows = vec![header(&["task", "protocol", "what it is"])];
    rows.extend(BUILT_IN.iter().map(|task| vec![task.task.into(), task.protocol.into(), task.about().to_owned()]));
    Ok(output::line(&output::table(&rows))?)
}

/// The task file of a built-in task: a start for one's own.
pub(super) fn show(name: &str, protocol: Option<&str>) -> Result<()> {
    Ok(output::line(find(name, protocol)?.toml.trim_end())?)
}
