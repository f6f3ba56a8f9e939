//! A sample that can be made again.

use crate::{Behaviour, Benchmark};
use mosa_text::{Prompt, PromptRecord, stratified_sample};
use serde::{Deserialize, Serialize};

/// Which behaviours a sample holds: what a report has to record, and [`Benchmark::select`] makes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// SHA-256 of the benchmark's file.
    pub sha256: String,
    /// Behaviours it was drawn from.
    pub of: usize,
    /// The seed.
    pub seed: u64,
    /// The ids, in the order of the file.
    pub ids: Vec<String>,
}

/// A part of a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The behaviours that were drawn.
    pub benchmark: Benchmark,
    /// Which these are.
    pub sample: Sample,
}

/// `n` behaviours in the order of the file, every style (or, without styles, category) in proportion to its share.
/// Which ones depends on the seed and the ids alone. All of them if there are no more than `n`.
pub fn sample(benchmark: &Benchmark, n: usize, seed: u64) -> Sampled {
    let record = |b: &Behaviour| PromptRecord {
        style: b.style.clone(),
        category: b.category.clone(),
        ..PromptRecord::new(&b.id, Prompt::Raw(String::new()))
    };
    let drawn = stratified_sample(benchmark.behaviours.iter().map(record).collect(), n, seed);
    let mut ids = drawn.into_iter().map(|r| r.id).peekable();
    let mut kept = Benchmark { behaviours: Vec::new(), ..benchmark.clone() };
    for behaviour in &benchmark.behaviours {
        if ids.next_if(|id| *id == behaviour.id).is_some() {
            kept.behaviours.push(behaviour.clone());
        }
    }
    let of = benchmark.behaviours.len();
    let ids: Vec<String> = kept.behaviours.iter().map(|b| b.id.clone()).collect();
    if ids.len() < of {
        kept.notes.push(format!("a stratified sample: {} of {of} behaviours, seed {seed}", ids.len()));
    }
    Sampled { benchmark: kept, sample: Sample { sha256: benchmark.sha256.clone(), of, seed, ids } }
}
