//! The page: one section per kind of record.

mod ability;
mod attack;
mod defences;
mod gcg;
mod landscape;
pub(crate) mod monitor;
mod order;
mod outcomes;
mod pairs;
mod prefill;
mod refusal;
mod samples;
mod steer;
mod tradeoff;
mod training;
mod viewer;

use crate::agreement::agreements;
use crate::count::distinct;
use crate::utility::exams;
use crate::{Count, Run, compare};
use mosa_core::hex;
use mosa_records::View;
use mosa_report::plain::header;
use mosa_report::{Block, Cell, CellStats, Report, Section, Table, warnings};
use sha2::{Digest, Sha256};

pub use outcomes::{OutcomeRow, outcome_bars, outcome_table};

/// The page of some runs.
pub fn report(runs: &[Run]) -> Report {
    let all: Vec<&Run> = runs.iter().collect();
    Report {
        title: title(&all).into(),
        lead: lead(&all),
        provenance: provenance(&all),
        digest: Some(digest(runs)),
        warnings: all.iter().flat_map(|run| run.notes.clone()).chain(warned(&all)).collect(),
        sections: sections(runs),
        ..Report::default()
    }
}

/// What the runs hold, one section per kind of record.
pub fn sections(runs: &[Run]) -> Vec<Section> {
    let runs: Vec<&Run> = runs.iter().collect();
    let exams = exams(&runs);
    let sections = [
        ("Attacks", attack::blocks(&runs)),
        ("Defences", defences::blocks(&runs, &exams)),
        ("Safety and utility", tradeoff::blocks(&runs, &exams)),
        ("What it can do", ability::blocks(&exams)),
        ("Over-refusal", refusal::blocks(&exams)),
        ("Words forced into the answer", prefill::blocks(&runs)),
        ("Suffix search", gcg::blocks(&runs)),
        ("Order of writing", order::blocks(&runs)),
        ("Ordering a place in the prompt", steer::blocks(&runs)),
        ("Where sentences fit", landscape::blocks(&runs)),
        ("Monitors", monitor::blocks(&runs)),
        ("Training", training::blocks(&runs)),
        ("Runs compared", compare::table(&runs).into_iter().collect()),
        ("Answers to tasks", samples::blocks(&exams)),
        ("Answers", viewer::blocks(&runs)),
    ];
    let sections = sections.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    sections.map(|(title, blocks)| Section { title: title.into(), blocks }).collect()
}

fn title(runs: &[&Run]) -> &'static str {
    let examined = runs.iter().filter(|run| !run.samples.is_empty()).count();
    match examined {
        0 => "Where is this model unsafe?",
        n if n == runs.len() => "What can this model do?",
        _ => "Where is this model unsafe, and what can it do?",
    }
}

/// Runs that the lead names one by one; of more it says how many there are of a kind.
const NAMED: usize = 6;

fn lead(runs: &[&Run]) -> String {
    let what = |run: &&Run| {
        let command = run.said("command").or_else(|| run.said("objective")).unwrap_or_else(|| "run".into());
        let task = distinct(run.samples.iter().map(|s| s.task.as_str())).into_iter().map(|task| format!(" {task}"));
        let model = run.said("model").map_or(String::new(), |m| format!(" of {m}"));
        format!("{command}{}{model}", task.collect::<String>())
    };
    let said: Vec<String> = runs.iter().map(what).collect();
    let listed: Vec<String> = if runs.len() <= NAMED {
        runs.iter().zip(&said).map(|(run, what)| format!("{}: {what}", run.name)).collect()
    } else {
        let count = |what: &String| said.iter().filter(|other| *other == what).count();
        distinct(said.iter()).into_iter().map(|what| format!("{} {what}", count(what))).collect()
    };
    let many = if runs.len() <= NAMED { String::new() } else { format!("{} runs: ", runs.len()) };
    format!("Made from records alone. {many}{}.", listed.join("; "))
}

/// What of a manifest a page tells, beside the judges.
const TOLD: [&str; 18] = [
    "mosa",
    "libtorch",
    "command",
    "objective",
    "task",
    "protocol",
    "benchmark",
    "model",
    "hashes",
    "dtype",
    "weights",
    "device",
    "sampler",
    "defences",
    "batching",
    "settings",
    "machine",
    "judges",
];

/// What the manifests say, key by key; runs that say the same share a line.
fn provenance(runs: &[&Run]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for key in TOLD {
        let said: Vec<(&Run, String)> = runs.iter().filter_map(|run| Some((*run, told(run, key)?))).collect();
        for value in distinct(said.iter().map(|(_, value)| value.as_str())) {
            let names: Vec<&str> = said.iter().filter(|(_, v)| v == value).map(|(run, _)| run.name.as_str()).collect();
            let name = if names.len() == runs.len() { key.to_owned() } else { format!("{}: {key}", listed(&names)) };
            all.push((name, value.to_owned()));
        }
    }
    all
}

/// The names, or the first of many.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., _, _] if first.len() >= NAMED => {
            let shown = &names[..NAMED / 2];
            format!("{} and {} more", shown.join(", "), names.len() - shown.len())
        }
        all => all.join(", "),
    }
}

/// A value of a run's manifest, or its judges.
fn told(run: &Run, key: &str) -> Option<String> {
    if key != "judges" {
        return run.said(key);
    }
    let judges = distinct(run.verdicts.iter().map(|v| v.judge.as_str()));
    (!judges.is_empty()).then(|| judges.join(", "))
}

/// SHA-256 over the records of all runs.
pub fn digest<'a>(runs: impl IntoIterator<Item = &'a Run>) -> String {
    let mut hasher = Sha256::new();
    runs.into_iter().for_each(|run| hasher.update(&run.digest));
    hex(&hasher.finalize())
}

/// Small samples, broken and unassessed answers, judges that disagree.
fn warned(runs: &[&Run]) -> Vec<String> {
    let exams = exams(runs);
    let mut cells = attack::stats(runs);
    cells.extend(ability::stats(&exams));
    for run in runs {
        // The answers of an attack are counted by case.
        if run.cases.is_empty() {
            cells.extend(groups(run));
        }
        cells.extend(agreements(run).into_iter().map(|found| CellStats {
            name: format!("{}, {}", run.name, found.judges.join(" and ")),
            n: found.paired.n(),
            kappa: found.paired.kappa(),
            ..CellStats::default()
        }));
    }
    let outdated = runs.iter().filter(|run| run.outdated > 0).map(|run| {
        let (name, n) = (&run.name, run.outdated);
        format!("{name}: {n} verdicts are left out, because their answers are other ones now; judge the run again")
    });
    let notes = exams.iter().flat_map(|exam| exam.notes.clone());
    outdated.chain(notes).chain(warnings(&cells)).collect()
}

/// Every group of answers, by each judge.
fn groups(run: &Run) -> Vec<CellStats> {
    let judges = distinct(run.verdicts.iter().map(|v| v.judge.as_str()));
    let mut cells = Vec::new();
    for group in distinct(run.answers.iter().map(|a| a.group.as_str())) {
        for judge in &judges {
            let count = Count::of(&run.verdicts, judge, View::Answer, group);
            if count.n() > 0 {
                cells.push(CellStats {
                    name: format!("{}, {group}, {judge}", run.name),
                    n: count.n(),
                    unassessed: count.unassessed,
                    degenerate: count.degenerate,
                    kappa: None,
                });
            }
        }
    }
    cells
}

/// The name of a curve: the run's, where there are several, and the rest.
pub(crate) fn named(runs: &[&Run], run: &Run, rest: &str) -> String {
    match (runs.len(), rest) {
        (1, rest) if !rest.is_empty() => rest.to_owned(),
        (_, "") => run.name.clone(),
        (_, rest) => format!("{}, {rest}", run.name),
    }
}

/// At most as many curves as a figure can show.
pub(crate) fn shown<T>(mut series: Vec<T>) -> Vec<T> {
    series.truncate(mosa_report::MAX_SERIES);
    series
}

/// What a caption says where a figure does not show all of them.
pub(crate) fn first_shown(n: usize, what: &str) -> String {
    let most = mosa_report::MAX_SERIES;
    if n > most { format!(" The first {most} of {n} {what}.") } else { String::new() }
}

/// A group of answers whose name ends in a number: `prefill/40` is at 40.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Placed {
    pub(crate) at: usize,
    pub(crate) group: String,
}

/// The groups of answers that start with a prefix, in the order of their numbers.
pub(crate) fn offsets(run: &Run, prefix: &str) -> Vec<Placed> {
    let mut all: Vec<Placed> = distinct(run.answers.iter().map(|a| a.group.as_str()))
        .into_iter()
        .filter_map(|g| Some(Placed { at: g.strip_prefix(prefix)?.parse().ok()?, group: g.to_owned() }))
        .collect();
    all.sort();
    all
}

/// A table as a block.
pub(crate) fn table(caption: &str, names: &[&str], rows: Vec<Vec<Cell>>) -> Block {
    Block::Table(Table { caption: caption.into(), header: header(names), rows })
}
