//! What stands in two benchmarks: does training data hold what is evaluated?

use crate::near::{Fingerprint, Index, fingerprints};
use crate::{Behaviour, Benchmark, Nearness};
use serde::Serialize;
use std::collections::HashSet;

/// What two benchmarks have in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// Behaviours of the first benchmark.
    pub behaviours: usize,
    /// Behaviours of the second.
    pub others: usize,
    /// What counts as nearly the same.
    pub nearness: Nearness,
    /// Behaviours of the first with the same words as one of the second.
    pub exact: usize,
    /// Behaviours of the first that are nearly, and not exactly, one of the second.
    pub near: usize,
    /// Pairs in all.
    pub pairs: usize,
    /// Behaviours of the second that are in a pair.
    pub others_met: usize,
    /// Behaviours of the first that are in a pair, and the closest of the second to each.
    pub matches: Vec<Match>,
}

/// A behaviour of the first benchmark and the closest one of the second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// Id in the first benchmark.
    pub id: String,
    /// Id in the second; of several equally close ones, the first.
    pub other: String,
    /// Whether the words are the same, case and outer punctuation apart.
    pub exact: bool,
    /// Jaccard similarity of the word n-grams.
    pub similarity: f64,
    /// How many of the second are near enough.
    pub partners: usize,
}

impl Overlap {
    /// The share of the first benchmark's behaviours that stand, exactly or nearly, in the second; 0 without any.
    pub fn share(&self) -> f64 {
        share(self.matches.len(), self.behaviours)
    }

    /// The share of the second benchmark's behaviours that are in a pair.
    pub fn others_share(&self) -> f64 {
        share(self.others_met, self.others)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The behaviours of `first` that stand, exactly or nearly, in `second`. Prompts are compared as they are sent,
/// contexts included.
pub fn overlap(first: &Benchmark, second: &Benchmark, nearness: &Nearness) -> Overlap {
    let all = first.behaviours.iter().chain(&second.behaviours);
    let prompts: Vec<String> = all.map(Behaviour::prompt).collect();
    let prints = fingerprints(prompts.iter().map(String::as_str), nearness);
    let (mine, others) = prints.split_at(first.behaviours.len());
    let mut index = Index::new(*nearness);
    others.iter().for_each(|p| index.insert(p));
    let mut met = HashSet::new();
    let mut matches = Vec::new();
    for (behaviour, print) in first.behaviours.iter().zip(mine) {
        let found = closest(&mut index, print, others, &mut met);
        matches.extend(found.map(|f| f.named(&behaviour.id, &second.behaviours)));
    }
    let exact = matches.iter().filter(|m| m.exact).count();
    Overlap {
        behaviours: first.behaviours.len(),
        others: second.behaviours.len(),
        nearness: *nearness,
        exact,
        near: matches.len() - exact,
        pairs: matches.iter().map(|m| m.partners).sum(),
        others_met: met.len(),
        matches,
    }
}

/// The closest text to one, by its number.
struct Found {
    other: usize,
    exact: bool,
    similarity: f64,
    partners: usize,
}

impl Found {
    fn named(self, id: &str, others: &[Behaviour]) -> Match {
        let Self { other, exact, similarity, partners } = self;
        Match { id: id.to_owned(), other: others[other].id.clone(), exact, similarity, partners }
    }
}

fn closest(
    index: &mut Index<'_>,
    print: &Fingerprint,
    others: &[Fingerprint],
    met: &mut HashSet<usize>,
) -> Option<Found> {
    let mut best: Option<Found> = None;
    let mut partners = 0;
    index.candidates(print, |other, similarity| {
        let Some(similarity) = similarity() else { return };
        met.insert(other);
        partners += 1;
        let exact = others[other].words == print.words;
        let better = best.as_ref().is_none_or(|b| {
            (exact, similarity) > (b.exact, b.similarity)
                || ((exact, similarity) == (b.exact, b.similarity) && other < b.other)
        });
        if better {
            best = Some(Found { other, exact, similarity, partners: 0 });
        }
    });
    best.map(|b| Found { partners, ..b })
}
