//! Which texts are nearly the same.
//!
//! Exact Jaccard similarities of sets of word n-grams, without comparing everything with everything: two sets whose
//! similarity reaches t must share one of the first |x| - ceil(t |x|) + 1 members of each, in any common order (prefix
//! filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). With the rarest n-grams first, few pairs are left.

use crate::DataError;
use crate::words::words;
use serde::Serialize;
use std::collections::HashMap;

/// When two texts count as nearly the same: the Jaccard similarity of their word n-grams reaches a threshold. A text
/// with fewer words is one n-gram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nearness {
    words: usize,
    threshold: f64,
}

impl Default for Nearness {
    /// 5 words, half of the n-grams in common: between StrongREJECT and AdvBench this finds the 25 rows that the one
    /// says it has from the other, and no more.
    fn default() -> Self {
        Self { words: 5, threshold: 0.5 }
    }
}

/// Added where rounding could decide about a similarity that equals the threshold.
const SLACK: f64 = 1e-9;

impl Nearness {
    /// N-grams of `words` words whose similarity is at least `threshold`.
    ///
    /// # Errors
    /// [`DataError::Setting`] unless there is at least one word and the threshold is above 0 and at most 1.
    pub fn new(words: usize, threshold: f64) -> Result<Self, DataError> {
        if words == 0 || !(threshold > 0.0 && threshold <= 1.0) {
            return Err(DataError::Setting(format!(
                "near duplicates by {words} words and similarity {threshold}: give at least 1 word and a \
                 similarity above 0 and at most 1"
            )));
        }
        Ok(Self { words, threshold })
    }

    /// Words of an n-gram.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The least similarity.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// How many members of a set of `n` have to be looked up.
    fn prefix(&self, n: usize) -> usize {
        n - ((self.threshold * n as f64 - SLACK).ceil() as usize).min(n) + 1
    }
}

/// A text as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint {
    /// Its words, to tell exact from near duplicates.
    pub(crate) words: String,
    /// Its n-grams as ranks, the rarest first.
    grams: Vec<u32>,
}

/// The fingerprints of texts that are to be compared with one another.
pub(crate) fn fingerprints<'a>(texts: impl Iterator<Item = &'a str>, nearness: &Nearness) -> Vec<Fingerprint> {
    let mut ids: HashMap<String, u32> = HashMap::new();
    let mut counts: Vec<u32> = Vec::new();
    let mut prints: Vec<Fingerprint> = texts
        .map(|text| {
            let words = words(text);
            let n = nearness.words.min(words.len()).max(1);
            let mut grams: Vec<u32> = words.windows(n).map(|gram| intern(&mut ids, gram.join(" "))).collect();
            grams.sort_unstable();
            grams.dedup();
            counts.resize(ids.len(), 0);
            grams.iter().for_each(|g| counts[*g as usize] += 1);
            Fingerprint { words: words.join(" "), grams }
        })
        .collect();
    let ranks = ranks(&counts);
    for print in &mut prints {
        print.grams.iter_mut().for_each(|g| *g = ranks[*g as usize]);
        print.grams.sort_unstable();
    }
    prints
}

fn intern(ids: &mut HashMap<String, u32>, gram: String) -> u32 {
    let next = ids.len() as u32;
    *ids.entry(gram).or_insert(next)
}

/// The rank of every n-gram: the rarest first, then the one seen first.
fn ranks(counts: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..counts.len() as u32).collect();
    order.sort_by_key(|g| (counts[*g as usize], *g));
    let mut ranks = vec![0; counts.len()];
    for (rank, gram) in (0..).zip(order) {
        ranks[gram as usize] = rank;
    }
    ranks
}

/// Where n-grams stand, for one set of texts.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    nearness: Nearness,
    prints: Vec<&'a Fingerprint>,
    holders: HashMap<u32, Vec<usize>>,
    /// The last query that met each text, so that it is looked at once.
    met: Vec<usize>,
    query: usize,
}

impl<'a> Index<'a> {
    pub(crate) fn new(nearness: Nearness) -> Self {
        Self { nearness, prints: Vec::new(), holders: HashMap::new(), met: Vec::new(), query: 0 }
    }

    pub(crate) fn insert(&mut self, print: &'a Fingerprint) {
        let prefix = self.nearness.prefix(print.grams.len());
        for gram in print.grams.iter().take(prefix) {
            self.holders.entry(*gram).or_default().push(self.prints.len());
        }
        self.prints.push(print);
        self.met.push(0);
    }

    /// Calls `visit` once with every text that may be near enough, by its number, and a way to compare it: the
    /// similarity, if it reaches the threshold.
    pub(crate) fn candidates(&mut self, print: &Fingerprint, mut visit: impl FnMut(usize, &dyn Fn() -> Option<f64>)) {
        self.query += 1;
        let threshold = self.nearness.threshold - SLACK;
        for gram in print.grams.iter().take(self.nearness.prefix(print.grams.len())) {
            for &other in self.holders.get(gram).into_iter().flatten() {
                if std::mem::replace(&mut self.met[other], self.query) != self.query {
                    let held = &self.prints[other].grams;
                    visit(other, &|| Some(jaccard(&print.grams, held, threshold)).filter(|s| *s >= threshold));
                }
            }
        }
    }
}

/// The share of members that two ascending sets have in common; 0 where their sizes alone rule out `threshold`.
fn jaccard(a: &[u32], b: &[u32], threshold: f64) -> f64 {
    let (small, large) = (a.len().min(b.len()), a.len().max(b.len()));
    if (small as f64) < threshold * large as f64 || large == 0 {
        return 0.0;
    }
    let (mut i, mut j, mut common) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        common += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    common as f64 / (a.len() + b.len() - common) as f64
}
