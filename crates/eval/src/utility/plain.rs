//! What commands print of answers to a task: a table and lines below it.

use super::{Conduct, Exam, Score, compared, detectable, exams, points};
use crate::Run;
use crate::count::distinct;
use mosa_core::stats::holm;
use mosa_records::SampleRecord;
use mosa_report::plain::{header, share};

/// Groups that are printed; more are left to the page.
const GROUPS: usize = 12;

/// A table for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// The header, then the rows; each has as many cells.
    pub rows: Vec<Vec<String>>,
    /// Lines below the table.
    pub below: Vec<String>,
}

/// What a run has answered: a row per metric, per number of attempts where there are several, per group where they are
/// few; below it what is unassessed or missing.
pub fn plain(run: &Run) -> Plain {
    let mut plain = Plain::default();
    plain.rows.push(header(&["task", "what", "right", "95%", "of", "nothing found", "unassessed"]));
    for exam in exams(&[run]) {
        let column = exam.column();
        for metric in &exam.metrics {
            plain.rows.push(row(&exam, metric, &exam.score(metric)));
        }
        plain.rows.extend(exam.score(exam.metric()).passes().iter().filter(|pass| pass.k > 1).map(|pass| {
            let [value, between] = share(pass.value, pass.interval);
            vec![
                column.clone(),
                format!("pass@{}", pass.k),
                value,
                between,
                pass.items.to_string(),
                "-".into(),
                "-".into(),
            ]
        }));
        let groups = exam.groups();
        if groups.len() <= GROUPS {
            plain.rows.extend(groups.iter().map(|group| row(&exam, group, &exam.group(group, exam.metric()))));
        } else {
            plain.below.push(format!("{column}: {} groups are on the page of `mosa report`", groups.len()));
        }
        plain.below.extend(conducts(&exam));
        plain.below.extend(below(&exam));
    }
    plain
}

fn row(exam: &Exam<'_>, what: &str, score: &Score) -> Vec<String> {
    let [value, between] = share(score.value().unwrap_or(f64::NAN), score.interval());
    // A conduct is read off the whole answer.
    let unfound = if exam.conduct().is_some() { "-".to_owned() } else { score.unfound.to_string() };
    let counts = [score.items.len().to_string(), unfound, score.unassessed.to_string()];
    [exam.column(), what.to_owned(), value, between].into_iter().chain(counts).collect()
}

/// How prompts were met, a line per half.
fn conducts(exam: &Exam<'_>) -> Vec<String> {
    let Some(metric) = exam.conduct() else { return Vec::new() };
    let group = |s: &SampleRecord| s.group.clone().unwrap_or_default();
    let line = |half: String| {
        let own = exam.samples.iter().filter(|s| group(s) == half);
        let met: Vec<Conduct> = own.filter_map(|s| Conduct::of(&s.score(metric)?.verdict)).collect();
        let counted = Conduct::ALL.map(|c| format!("{} {}", met.iter().filter(|m| **m == c).count(), c.verdict()));
        let name = if half.is_empty() { exam.column() } else { half };
        format!("{name}: {} of {}", counted.join(", "), met.len())
    };
    distinct(exam.samples.iter().map(|s| group(s))).into_iter().map(line).collect()
}

/// What is unassessed and why, what it cost, what is missing.
fn below(exam: &Exam<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let reasons = exam.reasons(exam.metric());
    for reason in distinct(reasons.iter().copied()) {
        let n = reasons.iter().filter(|other| **other == reason).count();
        lines.push(format!("unassessed: {n}: {reason}"));
    }
    let score = exam.score(exam.metric());
    if score.cut > 0 {
        lines.push(format!("{} of {} answers were cut off at their greatest length", score.cut, score.n()));
    }
    lines.push(format!("{:.1} forward passes an answer", exam.forwards()));
    lines.extend(exam.notes.iter().cloned());
    lines
}

/// Runs of the same tasks against each other: a row per pair, below it what follows, and which pairs are not compared.
/// Shards of one run stand as one.
pub fn plain_comparison(runs: &[Run]) -> Plain {
    let runs: Vec<&Run> = runs.iter().collect();
    let exams = exams(&runs);
    let (pairs, rest) = compared(&exams);
    let mut plain = Plain::default();
    let names = ["models", "task", "items", "only first, only second", "points", "95%", "p", "p (Holm)", "least shown"];
    plain.rows.push(header(&names));
    let p: Vec<f64> = pairs.iter().map(|pair| pair.p()).collect();
    let number = |p: f64| if p.is_nan() { "-".to_owned() } else { format!("{p:.4}") };
    for (pair, (p, corrected)) in pairs.iter().zip(p.iter().zip(holm(&p))) {
        let models = format!("{} - {}", pair.model, pair.against);
        let least = detectable(pair).map_or("-".into(), |least| format!("{:.1}", 100.0 * least));
        plain.below.push(format!("{models}, {}: {}", pair.cell, pair.verdict()));
        plain.rows.push(vec![
            models,
            pair.cell.clone(),
            pair.n.to_string(),
            pair.outcomes.map_or("-".into(), |table| format!("{}, {}", table.first, table.second)),
            points(pair.difference),
            format!("{} to {}", points(pair.interval.0), points(pair.interval.1)),
            number(*p),
            number(corrected),
            least,
        ]);
    }
    let apart = |u: super::Unpaired| format!("not compared: {}, {}: {}", u.models.join(" and "), u.task, u.why);
    plain.below.extend(rest.into_iter().map(apart));
    plain.below.extend(exams.into_iter().flat_map(|exam| exam.notes));
    plain
}
