//! What is in a benchmark.

use crate::near::{Fingerprint, Index, fingerprints};
use crate::words::words;
use crate::{Behaviour, Benchmark, Kind, Nearness};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What [`check`] finds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Which benchmark it is.
    pub kind: Kind,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Number of behaviours.
    pub behaviours: usize,
    /// Behaviours by category; those without one are not counted.
    pub by_category: BTreeMap<String, usize>,
    /// Behaviours by HarmBench's functional category.
    pub by_functional: BTreeMap<String, usize>,
    /// Behaviours by style.
    pub by_style: BTreeMap<String, usize>,
    /// Behaviours by XSTest's label.
    pub by_label: BTreeMap<String, usize>,
    /// Behaviours with a target.
    pub targets: usize,
    /// Behaviours with a context.
    pub contexts: usize,
    /// What counts as nearly the same.
    pub nearness: Nearness,
    /// Ids of prompts with the same words, case and outer punctuation apart; groups of two or more.
    pub exact: Vec<Vec<String>>,
    /// Ids of prompts that are nearly the same, linked through one another; groups of two or more, one prompt of each
    /// exact group.
    pub near: Vec<Vec<String>>,
    /// Lengths of the prompts in words.
    pub words: Lengths,
    /// Lengths of the prompts in characters.
    pub characters: Lengths,
    /// The benchmark's notes.
    pub notes: Vec<String>,
}

/// Lengths of prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub min: usize,
    /// The middle one; of two the lower.
    pub median: usize,
    /// The mean.
    pub mean: f64,
    /// The longest.
    pub max: usize,
}

/// Counts, duplicates and lengths of a benchmark. Prompts are compared as they are sent, contexts included.
pub fn check(benchmark: &Benchmark, nearness: &Nearness) -> Check {
    let behaviours = &benchmark.behaviours;
    let prompts: Vec<String> = behaviours.iter().map(Behaviour::prompt).collect();
    let prints = fingerprints(prompts.iter().map(String::as_str), nearness);
    let same = exact(&prints);
    let ids = |group: &Vec<usize>| group.iter().map(|i| behaviours[*i].id.clone()).collect::<Vec<_>>();
    let exact = same.iter().filter(|g| g.len() > 1).map(ids).collect();
    let firsts: Vec<usize> = same.iter().filter_map(|g| g.first().copied()).collect();
    let near = near(&prints, &firsts, nearness).iter().map(ids).collect();
    Check {
        kind: benchmark.kind,
        sha256: benchmark.sha256.clone(),
        behaviours: behaviours.len(),
        by_category: count(behaviours, |b| b.category.as_deref()),
        by_functional: count(behaviours, |b| b.functional.map(|f| f.name())),
        by_style: count(behaviours, |b| b.style.as_deref()),
        by_label: count(behaviours, |b| b.label.map(|l| l.name())),
        targets: behaviours.iter().filter(|b| b.target.is_some()).count(),
        contexts: behaviours.iter().filter(|b| b.context.is_some()).count(),
        nearness: *nearness,
        exact,
        near,
        words: lengths(prompts.iter().map(|p| words(p).len()).collect()),
        characters: lengths(prompts.iter().map(|p| p.chars().count()).collect()),
        notes: benchmark.notes.clone(),
    }
}

fn count<'a>(behaviours: &'a [Behaviour], of: impl Fn(&'a Behaviour) -> Option<&'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in behaviours.iter().filter_map(of) {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// All texts in groups with the same words, in the order of their first members.
fn exact(prints: &[Fingerprint]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut by_words: HashMap<&str, usize> = HashMap::new();
    for (i, print) in prints.iter().enumerate() {
        let group = *by_words.entry(&print.words).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(members) => members.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

/// Groups of `members` that are linked by near-duplicate pairs.
fn near(prints: &[Fingerprint], members: &[usize], nearness: &Nearness) -> Vec<Vec<usize>> {
    let mut index = Index::new(*nearness);
    // The first member of each one's group, by way of earlier ones.
    let mut heads: Vec<usize> = (0..members.len()).collect();
    for (i, member) in members.iter().enumerate() {
        index.candidates(&prints[*member], |other, similarity| {
            let (a, b) = (head(&mut heads, other), head(&mut heads, i));
            if a != b && similarity().is_some() {
                heads[a.max(b)] = a.min(b);
            }
        });
        index.insert(&prints[*member]);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, member) in members.iter().enumerate() {
        groups.entry(head(&mut heads, i)).or_default().push(*member);
    }
    groups.into_values().filter(|g| g.len() > 1).collect()
}

/// The head of `i`'s group; shortens the way there.
fn head(heads: &mut [usize], mut i: usize) -> usize {
    while heads[i] != i {
        heads[i] = heads[heads[i]];
        i = heads[i];
    }
    i
}

fn lengths(mut all: Vec<usize>) -> Lengths {
    all.sort_unstable();
    match (all.first(), all.last()) {
        (Some(&min), Some(&max)) => Lengths {
            min,
            median: all[(all.len() - 1) / 2],
            mean: all.iter().sum::<usize>() as f64 / all.len() as f64,
            max,
        },
        _ => Lengths::default(),
    }
}
