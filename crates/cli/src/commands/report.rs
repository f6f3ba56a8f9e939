//! `mosa report`: the records of runs as one page.

use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::output;
use anyhow::{Context, Result};
use mosa_eval::{Run, report};
use mosa_records::write_whole;
use mosa_report::Report;
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
    Ok(write(report(&runs), &args.out, args.tables.as_deref())?)
}

/// Writes the page, and the tables if a folder is given; prints where they are.
pub(crate) fn write(mut report: Report, out: &Path, tables: Option<&Path>) -> Result<()> {
    if let Some(dir) = tables {
        report.exports = Some(dir.display().to_string());
        for path in write_tables(&report, dir)? {
            output::line(&path.display().to_string())?;
        }
    }
    if let Some(dir) = out.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let html = report.html().context("the report")?;
    write_whole(out, html.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(output::line(&out.display().to_string())?)
}

fn write_tables(report: &Report, dir: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut written = Vec::new();
    for (section, number, table) in report.tables() {
        let slug: String =
            section.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        for (kind, text) in [("csv", table.csv()), ("md", table.markdown()), ("tex", table.latex())] {
            let path = dir.join(format!("{number:02}-{slug}.{kind}"));
            write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
            written.push(path);
        }
    }
    Ok(written)
}
