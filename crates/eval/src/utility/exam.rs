//! One model's answers to one task under one protocol.

use super::shards::{are_shards, name_of, shard};
use super::{Conduct, Score};
use crate::Run;
use crate::count::distinct;
use mosa_records::{Record, SampleRecord};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Items that a note names.
const NAMED: usize = 3;

/// One model's answers to one task under one protocol: those of a run, or of the shards of one.
#[derive(Clone, Debug)]
pub struct Exam<'a> {
    /// The model; different in all exams of one task and protocol.
    pub model: String,
    /// The task.
    pub task: &'a str,
    /// The protocol it was asked and scored by; `-` where the manifest does not say.
    pub protocol: String,
    /// Where the answers are from: one run, or the shards of one.
    pub runs: Vec<&'a Run>,
    /// The answers, by place of the item and attempt; each counted once.
    pub samples: Vec<&'a SampleRecord>,
    /// The metrics, the one that counts first.
    pub metrics: Vec<&'a str>,
    /// What a reader must know of how it was put together.
    pub notes: Vec<String>,
}

impl<'a> Exam<'a> {
    /// The task and its protocol, as a column is headed.
    pub fn column(&self) -> String {
        if self.protocol == "-" { self.task.to_owned() } else { format!("{} ({})", self.task, self.protocol) }
    }

    /// The metric that counts; empty without samples.
    pub fn metric(&self) -> &'a str {
        self.metrics.first().copied().unwrap_or_default()
    }

    /// All answers, by a metric.
    pub fn score(&self, metric: &str) -> Score {
        Score::of(self.samples.iter().copied(), metric)
    }

    /// The groups of its items, in the order of the items.
    pub fn groups(&self) -> Vec<&'a str> {
        distinct(self.samples.iter().filter_map(|s| s.group.as_deref()))
    }

    /// The answers to items of a group, by a metric.
    pub fn group(&self, group: &str, metric: &str) -> Score {
        Score::of(self.samples.iter().copied().filter(|s| s.group.as_deref() == Some(group)), metric)
    }

    /// The metric that says how a prompt was met, where there is one; such an exam measures conduct, not ability.
    pub fn conduct(&self) -> Option<&'a str> {
        self.metrics.iter().copied().find(|metric| {
            let verdicts = self.samples.iter().filter_map(|s| s.score(metric));
            verdicts.into_iter().any(|score| Conduct::of(&score.verdict).is_some())
        })
    }

    /// Mean model calls of an answer.
    pub fn forwards(&self) -> f64 {
        self.samples.iter().map(|s| s.forwards as f64).sum::<f64>() / self.samples.len() as f64
    }

    /// Why answers are unassessed by a metric, a reason for each.
    pub fn reasons(&self, metric: &str) -> Vec<&'a str> {
        let reason = |s: &&'a SampleRecord| match s.score(metric) {
            Some(score) if score.correct.is_some() => None,
            Some(score) => Some(score.verdict.as_str()),
            None => Some("it has no score of this metric"),
        };
        self.samples.iter().filter_map(reason).collect()
    }

    /// Whether nothing was put on the model: neither an adapter nor a defence.
    fn is_bare(&self) -> bool {
        let manifest = &self.runs[0].manifest;
        let given = |at: &str| manifest.pointer(at).is_some_and(|v| !v.is_null() && *v != Value::Array(Vec::new()));
        !["/adapter", "/hashes/adapter", "/defence", "/defences", "/settings/defence"].iter().any(|at| given(at))
    }
}

/// All exams of some runs, in their order.
pub fn exams<'a>(runs: &[&'a Run]) -> Vec<Exam<'a>> {
    let mut sets: Vec<(&'a str, Vec<&'a Run>)> = Vec::new();
    for run in runs {
        for task in distinct(run.samples.iter().map(|s| s.task.as_str())) {
            match sets.iter_mut().find(|(own, shards)| *own == task && are_shards(shards[0], run)) {
                Some((_, shards)) => shards.push(run),
                None => sets.push((task, vec![run])),
            }
        }
    }
    let mut taken = HashSet::new();
    sets.into_iter().map(|(task, shards)| put_together(task, shards, &mut taken)).collect()
}

/// The model that losses are counted from: the one called `original`, else the first without adapter and defence.
pub(crate) fn baseline<'e>(exams: &'e [Exam<'_>]) -> Option<&'e str> {
    let original = exams.iter().find(|e| e.model.eq_ignore_ascii_case("original"));
    original.or_else(|| exams.iter().find(|e| e.is_bare())).map(|e| e.model.as_str())
}

fn put_together<'a>(task: &'a str, runs: Vec<&'a Run>, taken: &mut HashSet<(String, String, String)>) -> Exam<'a> {
    let protocol = runs[0].said("protocol").unwrap_or_else(|| "-".into());
    let name = runs[0].with_defences(name_of(&runs, task));
    let model = crate::arm::free(name, |name| taken.insert((task.into(), protocol.clone(), name.into())));
    let mut exam = Exam { model, task, protocol, runs, samples: Vec::new(), metrics: Vec::new(), notes: Vec::new() };
    exam.collect();
    exam.metrics = metrics(exam.runs[0], &exam.samples);
    exam.count_shards();
    exam
}

/// What the manifest says, else what the answers have.
fn metrics<'a>(run: &'a Run, samples: &[&'a SampleRecord]) -> Vec<&'a str> {
    let found = distinct(samples.iter().flat_map(|s| s.scores.iter().map(|score| score.metric.as_str())));
    let said = run.manifest.get("metrics").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<&str> = said.filter_map(Value::as_str).filter(|name| found.contains(name)).collect();
    let rest = found.into_iter().filter(|name| !said.contains(name)).collect::<Vec<_>>();
    said.into_iter().chain(rest).collect()
}

impl Exam<'_> {
    /// Takes the answers of all runs, each once, in the order of the items.
    fn collect(&mut self) {
        let mut seen: HashMap<String, (usize, &SampleRecord)> = HashMap::new();
        let mut twice = Vec::new();
        for (i, run) in self.runs.iter().enumerate() {
            for sample in run.samples.iter().filter(|s| s.task == self.task) {
                match seen.get(&sample.key()) {
                    Some((_, first)) if *first == sample => {}
                    Some((first, _)) => twice.push((sample.key(), self.runs[*first].name.as_str(), run.name.as_str())),
                    None => {
                        seen.insert(sample.key(), (i, sample));
                        self.samples.push(sample);
                    }
                }
            }
        }
        self.samples.sort_by(|a, b| (a.index, &a.id, a.attempt).cmp(&(b.index, &b.id, b.attempt)));
        let (model, n) = (&self.model, twice.len());
        if let Some((_, first, second)) = twice.first() {
            let named = twice.iter().take(NAMED).map(|(key, ..)| key.as_str()).collect::<Vec<_>>().join(", ");
            let more = if n > NAMED { format!(" and {} more", n - NAMED) } else { String::new() };
            self.notes.push(format!(
                "{model}: {named}{more} have other answers in {first} and in {second}; those of the first are counted. \
                 Remove the run that does not belong to it"
            ));
        }
    }

    /// Says which shards are not here, and which items were not answered yet.
    fn count_shards(&mut self) {
        let here: BTreeSet<(usize, usize)> = self.runs.iter().filter_map(|run| shard(run)).collect();
        let column = self.column();
        let (model, answered) = (&self.model, distinct_ids(&self.samples));
        if let Some((_, n)) = here.first().copied() {
            let listed = |wanted: bool| {
                let own = (1..=n).filter(|i| here.contains(&(*i, n)) == wanted);
                own.map(|i| format!("{i}/{n}")).collect::<Vec<_>>().join(", ")
            };
            if here.len() < n {
                self.notes.push(format!(
                    "{model}, {column}: items are missing: shards {} are here, {} are not; rates are over {answered} \
                     items",
                    listed(true),
                    listed(false),
                ));
            }
        }
        // A shard that stands in two folders is to be answered once.
        let mut expected: HashMap<Option<(usize, usize)>, u64> = HashMap::new();
        for run in &self.runs {
            match run.manifest.get("items").and_then(Value::as_u64) {
                Some(items) => drop(expected.insert(shard(run), items)),
                None => return,
            }
        }
        let expected: u64 = expected.values().sum();
        if (answered as u64) < expected {
            self.notes.push(format!(
                "{model}, {column}: {answered} of {expected} items have an answer; the command that made the run goes \
                 on with it"
            ));
        }
    }
}

fn distinct_ids(samples: &[&SampleRecord]) -> usize {
    samples.chunk_by(|a, b| a.id == b.id).count()
}
