//! A report as files: the page, and its tables beside it.

use crate::{output, written};
use anyhow::{Context, Result};
use mosa_report::{Report, TableOnPage};
use std::path::{Path, PathBuf};

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
