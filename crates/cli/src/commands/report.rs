//! `mosa report`: the records of runs as one page.

use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::{folder, output, written};
use anyhow::{Context, Result};
use mosa_eval::{Run, report};
use mosa_report::{Report, TableOnPage};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &ReportArgs) -> Result<(), Failure> {
    if let [only] = args.runs.as_slice()
        && super::quickstart::is_run(only)
    {
        return super::quickstart::draw(only, &args.out, args.tables.as_deref());
    }
    let names: HashSet<_> = args.runs.iter().map(|r| r.file_name()).collect();
    let runs = Run::read_all(&args.runs, names.len() < args.runs.len())?;
    runs.iter().flat_map(|run| &run.notes).for_each(|note| folder::warn(Some(note)));
    Ok(write(report(&runs), &args.out, args.tables.as_deref())?)
}

/// Writes the page, and the tables if a folder is given; prints where they are.
pub(crate) fn write(mut report: Report, out: &Path, tables: Option<&Path>) -> Result<()> {
    written::page_may_go(out)?;
    if let Some(dir) = tables {
        report.exports = Some(dir.display().to_string());
        for path in write_tables(&report, dir)? {
            output::line(&path.display().to_string())?;
        }
    }
    written::page(out, &report.html().context("the report")?)?;
    Ok(output::line(&out.display().to_string())?)
}

fn write_tables(report: &Report, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for TableOnPage { section, number, table } in report.tables() {
        let slug: String =
            section.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        for (kind, text) in [("csv", table.csv()), ("md", table.markdown()), ("tex", table.latex())] {
            files.push((format!("{number:02}-{slug}.{kind}"), text));
        }
    }
    written::files(dir, &files, "--tables")
}
