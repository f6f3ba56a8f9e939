//! `mosa data check`: what a benchmark file is and holds, by ids and numbers alone.

use crate::args::DataCheckArgs;
use crate::failure::Failure;
use crate::output;
use anyhow::Result;
use mosa_data::{Benchmark, Check, Lengths, Match, Nearness, Overlap, check, overlap};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many groups or pairs are shown.
const EXAMPLES: usize = 3;

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    file: &'a Path,
    #[serde(flatten)]
    check: Check,
    /// The ids that the flags choose, unless these are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

/// What stands in another file too.
#[derive(Serialize)]
struct Against {
    file: PathBuf,
    kind: mosa_data::Kind,
    sha256: String,
    notes: Vec<String>,
    /// Of the first file's behaviours.
    share: f64,
    /// Of the other file's behaviours.
    others_share: f64,
    #[serde(flatten)]
    overlap: Overlap,
}

pub(crate) fn run(args: &DataCheckArgs) -> Result<(), Failure> {
    let nearness = Nearness::new(args.near_words, args.near_threshold)?;
    let first = args.select.benchmark(&args.file, args.seed, true)?;
    let against = args.against.as_deref().map(|path| against(path, args, &first, &nearness)).transpose()?;
    let chosen = args.select.limit.is_some() || args.select.sample.is_some() || args.select.styles.is_some();
    let ids = chosen.then(|| first.behaviours.iter().map(|b| b.id.clone()).collect());
    let found = Found { file: &args.file, check: check(&first, &nearness), ids, against };
    if args.json {
        return Ok(output::json(&found)?);
    }
    for part in found.parts() {
        output::line(&part)?;
    }
    Ok(())
}

fn against(path: &Path, args: &DataCheckArgs, first: &Benchmark, nearness: &Nearness) -> Result<Against> {
    let second = args.select.read.of_other(args.against_columns.as_ref()).read(path, true)?;
    let overlap = overlap(first, &second, nearness);
    Ok(Against {
        file: path.to_owned(),
        kind: second.kind,
        sha256: second.sha256,
        notes: second.notes,
        share: overlap.share(),
        others_share: overlap.others_share(),
        overlap,
    })
}

impl Found<'_> {
    /// Tables and notes for people, with an empty line between them.
    fn parts(&self) -> Vec<String> {
        let c = &self.check;
        let mut parts = vec![output::table(&facts(self.file, c))];
        let counts = [
            ("category", &c.by_category),
            ("functional", &c.by_functional),
            ("style", &c.by_style),
            ("label", &c.by_label),
        ];
        let filled = counts.into_iter().filter(|(_, counts)| !counts.is_empty());
        parts.extend(filled.map(|(name, counts)| format!("\n{}", table_of(name, counts))));
        parts.extend(self.against.as_ref().map(|a| format!("\n{}", output::table(&a.rows()))));
        let others = self.against.iter().flat_map(|a| a.notes.iter().map(|n| format!("{}: {n}", a.file.display())));
        let notes: Vec<String> = c.notes.iter().cloned().chain(others).map(|n| format!("note: {n}")).collect();
        parts.extend((!notes.is_empty()).then(|| format!("\n{}", notes.join("\n"))));
        parts
    }
}

fn facts(file: &Path, c: &Check) -> Vec<Vec<String>> {
    let near = format!("{}-grams, {} in common", c.nearness.words(), c.nearness.threshold());
    [
        ("file", file.display().to_string()),
        ("kind", c.kind.to_string()),
        ("sha256", c.sha256.clone()),
        ("behaviours", c.behaviours.to_string()),
        ("with target", c.targets.to_string()),
        ("with context", c.contexts.to_string()),
        ("words", lengths(&c.words)),
        ("characters", lengths(&c.characters)),
        ("exact duplicates", groups(&c.exact)),
        ("near duplicates", format!("{} ({near})", groups(&c.near))),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .to_vec()
}

fn lengths(l: &Lengths) -> String {
    format!("{} to {}, median {}, mean {:.1}", l.min, l.max, l.median, l.mean)
}

/// Number of groups, and the ids of the first ones.
fn groups(groups: &[Vec<String>]) -> String {
    if groups.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = groups.iter().take(EXAMPLES).map(|g| shortened(g)).collect();
    let more = if groups.len() > EXAMPLES { "; ..." } else { "" };
    let rows: usize = groups.iter().map(Vec::len).sum();
    let unit = if groups.len() == 1 { "group" } else { "groups" };
    format!("{} {unit} of {rows} rows: {}{more}", groups.len(), shown.join("; "))
}

fn shortened(ids: &[String]) -> String {
    let shown = ids.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(" = ");
    if ids.len() > EXAMPLES { format!("{shown} = ... ({})", ids.len()) } else { shown }
}

fn table_of(name: &str, counts: &BTreeMap<String, usize>) -> String {
    let header = vec![name.to_owned(), "behaviours".to_owned()];
    let rows = counts.iter().map(|(value, n)| vec![value.clone(), n.to_string()]);
    output::table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

impl Against {
    fn rows(&self) -> Vec<Vec<String>> {
        let o = &self.overlap;
        let of = |n: usize, all: usize, share: f64| format!("{n} of {all} ({:.1}%)", 100.0 * share);
        let shown: Vec<String> = o.matches.iter().take(EXAMPLES).map(pair).collect();
        let more = if o.matches.len() > EXAMPLES { "; ..." } else { "" };
        let examples = if shown.is_empty() { "none".into() } else { format!("{}{more}", shown.join("; ")) };
        [
            ("against", self.file.display().to_string()),
            ("kind", self.kind.to_string()),
            ("sha256", self.sha256.clone()),
            ("stand in it", of(o.matches.len(), o.behaviours, self.share)),
            ("of these exactly", o.exact.to_string()),
            ("of these nearly", o.near.to_string()),
            ("its rows met", of(o.others_met, o.others, self.others_share)),
            ("pairs", examples),
        ]
        .map(|(name, value)| vec![name.to_owned(), value])
        .to_vec()
    }
}

fn pair(m: &Match) -> String {
    match m.exact {
        true => format!("{} = {}", m.id, m.other),
        false => format!("{} ~ {} ({:.2})", m.id, m.other, m.similarity),
    }
}
