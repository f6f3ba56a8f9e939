//! Two runs that answered the same requests, side by side.

use crate::Run;
use crate::count::{distinct, group_of};
use mosa_core::stats::{Paired, holm};
use mosa_records::{VerdictRecord, View};
use mosa_report::plain::header;
use mosa_report::{Block, Cell, Table};
use std::collections::HashMap;

/// Outcomes of one judge on one group in two runs.
pub(crate) struct Pairing<'a> {
    /// What the runs are called.
    pub runs: [&'a str; 2],
    /// The cell: a group of answers or an attack.
    pub group: String,
    /// The judge.
    pub judge: &'a str,
    /// Successes in the first and in the second run.
    pub paired: Paired,
}

/// Tests of runs on the same requests, if any share requests. Answers of attacks are left to their own section: the
/// first answers that two runs of an attack found are no answers to the same prompt.
pub(crate) fn table(runs: &[&Run]) -> Option<Block> {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.cases.is_empty()).copied().collect();
    let mut pairings = Vec::new();
    for (i, a) in runs.iter().enumerate() {
        for b in &runs[i + 1..] {
            pairings.extend(pair(a, b));
        }
    }
    tests(
        "Pairs of runs on the same requests: exact McNemar test, Newcombe's interval of the difference, Holm's \
         correction over all rows.",
        &pairings,
    )
}

/// A table of exact McNemar tests with Holm's correction over its rows; none without any.
pub(crate) fn tests(caption: &str, pairings: &[Pairing<'_>]) -> Option<Block> {
    if pairings.is_empty() {
        return None;
    }
    let p: Vec<f64> = pairings.iter().map(|c| c.paired.mcnemar()).collect();
    let rows = pairings.iter().zip(p.iter().zip(holm(&p))).map(|(c, (p, corrected))| row(c, *p, corrected));
    let names = [
        "runs",
        "cell",
        "judge",
        "pairs",
        "only first, only second",
        "difference, points",
        "95% interval",
        "p",
        "p (Holm)",
    ];
    Some(Block::Table(Table { caption: caption.into(), header: header(&names), rows: rows.collect() }))
}

fn row(c: &Pairing<'_>, p: f64, corrected: f64) -> Vec<Cell> {
    let percent = |x: f64| format!("{:+.0}", 100.0 * x);
    let interval =
        c.paired.newcombe().map_or("-".to_owned(), |(low, high)| format!("{} to {}", percent(low), percent(high)));
    vec![
        Cell::from(format!("{} - {}", c.runs[0], c.runs[1])),
        Cell::from(c.group.as_str()),
        Cell::from(c.judge),
        Cell::Number(c.paired.n() as f64, 0),
        Cell::from(format!("{}, {}", c.paired.first, c.paired.second)),
        Cell::from(c.paired.difference().map_or("-".to_owned(), percent)),
        Cell::from(interval),
        Cell::Number(p, 4),
        Cell::Number(corrected, 4),
    ]
}

fn pair<'a>(a: &'a Run, b: &'a Run) -> Vec<Pairing<'a>> {
    let key = |v: &'a VerdictRecord| (v.judge.as_str(), v.answer.as_str());
    let outcomes = |run: &'a Run| -> HashMap<(&'a str, &'a str), bool> {
        let own = run.verdicts.iter().filter(|v| v.view == View::Answer);
        own.filter_map(|v| Some((key(v), v.success?))).collect()
    };
    let (first, second) = (outcomes(a), outcomes(b));
    let mut all = Vec::new();
    for judge in distinct(a.verdicts.iter().map(|v| v.judge.as_str())) {
        for group in distinct(a.verdicts.iter().filter(|v| v.judge == judge).map(|v| group_of(&v.answer))) {
            let mut paired = Paired::default();
            let own = first.iter().filter(|((j, answer), _)| *j == judge && group_of(answer) == group);
            for (k, x) in own {
                match (x, second.get(k)) {
                    (true, Some(true)) => paired.both += 1,
                    (true, Some(false)) => paired.first += 1,
                    (false, Some(true)) => paired.second += 1,
                    (false, Some(false)) => paired.neither += 1,
                    (_, None) => {}
                }
            }
            if paired.n() > 0 {
                all.push(Pairing { runs: [&a.name, &b.name], group: group.to_owned(), judge, paired });
            }
        }
    }
    all
}
