//! How often a metric found answers right.

use mosa_core::stats::{Rate, cluster_bootstrap, pass_at_k};
use mosa_records::SampleRecord;
use mosa_report::Cell;

/// Draws of the bootstrap over items.
const DRAWS: usize = 2000;
/// Its seed.
const SEED: u64 = 13;
/// The largest share of unassessed answers that leaves a rate worth quoting.
const UNASSESSED: f64 = 0.05;

/// Answers, counted by one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Answers that are right.
    pub right: usize,
    /// Answers that are right or wrong: what rates are taken over.
    pub assessed: usize,
    /// Answers that are neither.
    pub unassessed: usize,
    /// Assessed answers in which nothing was found that the metric looks for.
    pub unfound: usize,
    /// Answers that were cut off at their greatest length.
    pub cut: usize,
    /// Assessed and right answers of each item that has an assessed one.
    pub items: Vec<Attempts>,
}

/// The answers to one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Assessed ones.
    pub n: usize,
    /// Right ones.
    pub right: usize,
}

/// pass@k of some items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassAt {
    /// Attempts that one may make.
    pub k: usize,
    /// Mean over items of the chance that one of them is right.
    pub value: f64,
    /// Its 95% interval, by drawing items again.
    pub interval: Option<(f64, f64)>,
    /// Items with at least `k` assessed answers.
    pub items: usize,
}

impl Score {
    /// Of answers, those to one item in a row.
    pub fn of<'a>(samples: impl Iterator<Item = &'a SampleRecord>, metric: &str) -> Self {
        let mut score = Self::default();
        let mut last = None;
        for sample in samples {
            score.cut += usize::from(sample.finish == "length");
            let found = sample.score(metric);
            let Some((found, correct)) = found.and_then(|found| Some((found, found.correct?))) else {
                score.unassessed += 1;
                continue;
            };
            score.assessed += 1;
            score.right += usize::from(correct);
            score.unfound += usize::from(found.extracted.is_none());
            if last.replace(&sample.id) != Some(&sample.id) {
                score.items.push(Attempts::default());
            }
            if let Some(item) = score.items.last_mut() {
                item.n += 1;
                item.right += usize::from(correct);
            }
        }
        score
    }

    /// All answers.
    pub fn n(&self) -> usize {
        self.assessed + self.unassessed
    }

    /// The most assessed answers of an item.
    pub fn attempts(&self) -> usize {
        self.items.iter().map(|item| item.n).max().unwrap_or(0)
    }

    /// The share of right answers, each item counted once; none without assessed answers.
    pub fn value(&self) -> Option<f64> {
        Some(self.pass_at(1)?.value)
    }

    /// Its 95% interval: Wilson's, or by drawing items again where items have several answers.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.pass_at(1)?.interval
    }

    /// pass@k over the items that have as many answers; none without any.
    pub fn pass_at(&self, k: usize) -> Option<PassAt> {
        let passed: Vec<f64> = self.items.iter().filter_map(|item| pass_at_k(item.n, item.right, k)).collect();
        if passed.is_empty() {
            return None;
        }
        let items = passed.len();
        let value = passed.iter().sum::<f64>() / items as f64;
        let uniform = passed.iter().all(|p| *p == passed[0]);
        let interval = if self.attempts() == 1 || uniform {
            // A bootstrap of equal items would be a point.
            Some(Rate { value, n: items }.wilson())
        } else {
            cluster_bootstrap(&passed.iter().map(|p| vec![*p]).collect::<Vec<_>>(), DRAWS, SEED)
        };
        Some(PassAt { k, value, interval, items })
    }

    /// pass@k for k = 1, 2, 4, 8, ... and the number of answers; nothing where items have one answer.
    pub fn passes(&self) -> Vec<PassAt> {
        let most = self.attempts();
        if most < 2 {
            return Vec::new();
        }
        let powers = std::iter::successors(Some(1), |k| Some(2 * k)).take_while(|k| *k < most);
        powers.chain([most]).filter_map(|k| self.pass_at(k)).collect()
    }

    /// Whether the rate may stand alone.
    pub fn is_headline(&self) -> bool {
        self.unassessed as f64 <= UNASSESSED * self.n() as f64
    }

    /// The rate as a cell.
    pub(crate) fn cell(&self) -> Cell {
        Cell::Share { value: self.value().unwrap_or(f64::NAN), interval: self.interval(), n: self.items.len() }
    }

    /// The rate as a cell, or why there is none.
    pub(crate) fn headline(&self) -> Cell {
        if self.is_headline() {
            self.cell()
        } else {
            Cell::from(format!("no headline: {} of {} unassessed", self.unassessed, self.n()))
        }
    }
}
