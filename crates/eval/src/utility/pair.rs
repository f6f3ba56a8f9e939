//! Two models on the same items.

use super::{Exam, baseline};
use mosa_core::stats::{Paired, minimal_detectable_difference_of_pairs, paired_bootstrap};
use mosa_records::SampleRecord;
use std::collections::BTreeMap;

/// Draws of the bootstrap over items.
const DRAWS: usize = 2000;
/// Its seed.
const SEED: u64 = 13;
/// The largest loss, in points, that counts as kept.
const KEPT: f64 = 3.0;

/// Two models on the items that were assessed in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The model in question.
    pub model: String,
    /// What it is held against: the baseline where it is one of the two, else the one that was named first.
    pub against: String,
    /// What was asked: the task, its protocol, the metric, the half.
    pub cell: String,
    /// Items.
    pub n: usize,
    /// Outcomes of the items, where each has one answer: first of `model`, then of `against`.
    pub outcomes: Option<Paired>,
    /// The rate of `model` minus that of `against`.
    pub difference: f64,
    /// Its 95% interval: Newcombe's, or by drawing items again where items have several answers.
    pub interval: (f64, f64),
}

/// Two exams of one task that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaired {
    /// The models.
    pub models: [String; 2],
    /// The task.
    pub task: String,
    /// What is different, counted.
    pub why: String,
}

/// Every two exams of the same task: compared by the metric that counts, or why not. Those that measure conduct are
/// left to their own tables.
pub fn compared(exams: &[Exam<'_>]) -> (Vec<Pair>, Vec<Unpaired>) {
    let able: Vec<&Exam<'_>> = exams.iter().filter(|e| e.conduct().is_none()).collect();
    let (mut pairs, mut rest) = (Vec::new(), Vec::new());
    for (model, against) in couples(&able, baseline(exams)) {
        match apart(model, against) {
            Some(why) => rest.push(unpaired(model, against, why)),
            None => {
                let cell = format!("{}, {}", model.column(), model.metric());
                let correct = |s: &SampleRecord| s.score(model.metric())?.correct;
                pairs.extend(paired(model, against, cell, correct));
            }
        }
    }
    (pairs, rest)
}

/// Every two exams of one task, the baseline second.
pub(crate) fn couples<'e, 'a>(exams: &[&'e Exam<'a>], baseline: Option<&str>) -> Vec<(&'e Exam<'a>, &'e Exam<'a>)> {
    let mut all = Vec::new();
    for (i, first) in exams.iter().enumerate() {
        for second in exams[i + 1..].iter().filter(|e| e.task == first.task) {
            let turned = baseline == Some(&second.model) && baseline != Some(&first.model);
            all.push(if turned { (*first, *second) } else { (*second, *first) });
        }
    }
    all
}

pub(crate) fn unpaired(model: &Exam<'_>, against: &Exam<'_>, why: String) -> Unpaired {
    Unpaired { models: [model.model.clone(), against.model.clone()], task: model.task.to_owned(), why }
}

/// Why two exams are not answers to the same questions, if they are not.
pub(crate) fn apart(a: &Exam<'_>, b: &Exam<'_>) -> Option<String> {
    if a.protocol != b.protocol {
        return Some(format!("other protocols: {} and {}", a.protocol, b.protocol));
    }
    if a.metric() != b.metric() {
        return Some(format!("other metrics count: {} and {}", a.metric(), b.metric()));
    }
    let (first, second) = (by_id(a), by_id(b));
    let lacks = |own: &BTreeMap<&str, &SampleRecord>, other: &BTreeMap<&str, &SampleRecord>| {
        own.keys().filter(|id| !other.contains_key(*id)).count()
    };
    let (only_first, only_second) = (lacks(&first, &second), lacks(&second, &first));
    if only_first + only_second > 0 {
        let shared = first.len() - only_first;
        return Some(format!(
            "other items: {only_first} only of {}, {only_second} only of {}, {shared} of both",
            a.model, b.model
        ));
    }
    let other: Vec<&str> =
        first.iter().filter(|(id, s)| question(s) != question(second[*id])).map(|(id, _)| *id).collect();
    let named = other.first()?;
    Some(format!("other prompts or right answers at {} of {} items, `{named}` for one", other.len(), first.len()))
}

fn by_id<'a>(exam: &Exam<'a>) -> BTreeMap<&'a str, &'a SampleRecord> {
    exam.samples.iter().rev().map(|s| (s.id.as_str(), *s)).collect()
}

/// What was asked at an item and what is right.
fn question(s: &SampleRecord) -> (&serde_json::Value, &str, &str, Option<&str>, Vec<&str>) {
    (&s.prompt, &s.prefix, &s.gold, s.group.as_deref(), s.choices.iter().map(|c| c.text.as_str()).collect())
}

/// Two exams of the same items by what `outcome` says of an answer; none without items that have one in both.
pub(crate) fn paired(
    model: &Exam<'_>,
    against: &Exam<'_>,
    cell: String,
    outcome: impl Fn(&SampleRecord) -> Option<bool>,
) -> Option<Pair> {
    let (first, second) = (outcomes(model, &outcome), outcomes(against, &outcome));
    let both: Vec<(&Vec<bool>, &Vec<bool>)> =
        first.iter().filter_map(|(id, own)| Some((own, second.get(id)?))).collect();
    if both.is_empty() {
        return None;
    }
    let single = both.iter().all(|(a, b)| a.len() == 1 && b.len() == 1);
    let table = single.then(|| both.iter().map(|(a, b)| (a[0], b[0])).collect::<Paired>());
    let share = |hits: &[bool]| hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64;
    let shares: Vec<(f64, f64)> = both.iter().map(|(a, b)| (share(a), share(b))).collect();
    let interval = match &table {
        Some(table) => table.newcombe(),
        None => paired_bootstrap(&shares, DRAWS, SEED),
    };
    Some(Pair {
        model: model.model.clone(),
        against: against.model.clone(),
        cell,
        n: both.len(),
        outcomes: table,
        difference: shares.iter().map(|(a, b)| a - b).sum::<f64>() / both.len() as f64,
        interval: interval?,
    })
}

/// The outcomes of each item that has any.
fn outcomes<'a>(exam: &Exam<'a>, outcome: &impl Fn(&SampleRecord) -> Option<bool>) -> BTreeMap<&'a str, Vec<bool>> {
    let mut all: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for sample in &exam.samples {
        if let Some(hit) = outcome(sample) {
            all.entry(&sample.id).or_default().push(hit);
        }
    }
    all
}

impl Pair {
    /// The exact p-value of McNemar's test; NaN where items have several answers.
    pub fn p(&self) -> f64 {
        self.outcomes.map_or(f64::NAN, |table| table.mcnemar())
    }

    /// What follows from the interval for an ability, in words. Bounds are rounded to the careful side.
    pub fn verdict(&self) -> String {
        let (low, high) = (100.0 * self.interval.0, 100.0 * self.interval.1);
        let at_most = |points: f64| format!("{:.1}", (points.abs() * 10.0).ceil() / 10.0);
        let by = |least: f64, most: f64| match (least.abs() * 10.0).floor() / 10.0 {
            0.0 => format!("by up to {} points", at_most(most)),
            least => format!("by {least:.1} to {} points", at_most(most)),
        };
        if low >= 0.0 {
            let better = if low > 0.0 { "better" } else { "no worse, and better" };
            return format!("{better}, {}", by(low, high));
        }
        if low >= -KEPT {
            let worse = if high < 0.0 { ", though worse" } else { "" };
            return format!("kept within {} points{worse}", at_most(low));
        }
        if high < 0.0 {
            return format!("worse, {}", by(high, low));
        }
        let n = self.n;
        let least = match detectable(self) {
            Some(least) => format!("{n} items do not show less than about {:.1}", 100.0 * least),
            None => format!("{n} items are too few"),
        };
        format!("undecided: a loss of up to {} points fits; {least}", at_most(low))
    }
}

/// The smallest difference that the items of a pair show, given how often the two disagree.
pub(crate) fn detectable(pair: &Pair) -> Option<f64> {
    let table = pair.outcomes?;
    minimal_detectable_difference_of_pairs(pair.n, (table.first + table.second) as f64 / pair.n as f64)
}

/// A share as signed points, to one decimal.
pub(crate) fn points(share: f64) -> String {
    let text = format!("{:+.1}", 100.0 * share);
    if text == "-0.0" { "+0.0".into() } else { text }
}
