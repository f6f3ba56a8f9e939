//! How often something happened, and how often it cannot be said.

use mosa_records::{Outcomes, VerdictRecord, View};

/// Verdicts of one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Successes.
    pub success: usize,
    /// Assessed answers: what rates are taken over.
    pub assessed: usize,
    /// Answers without a verdict.
    pub unassessed: usize,
    /// Answers that the gate calls degenerate, successes among them.
    pub degenerate: usize,
    /// What the assessed answers are.
    pub outcomes: Outcomes,
    /// Sum of the judge's scores.
    pub score: f64,
    /// Answers that have a score.
    pub scored: usize,
}

impl Count {
    /// Of the verdicts of a judge on a view, in one group of answers.
    pub fn of(verdicts: &[VerdictRecord], judge: &str, view: View, group: &str) -> Self {
        let mut count = Self::default();
        let own = |v: &&VerdictRecord| v.judge == judge && v.view == view && group_of(&v.answer) == group;
        for v in verdicts.iter().filter(own) {
            match v.success {
                Some(hit) => {
                    count.assessed += 1;
                    count.success += usize::from(hit);
                    count.outcomes.add(v.outcome());
                }
                None => count.unassessed += 1,
            }
            count.degenerate += usize::from(v.degenerate.is_some());
            if let Some(value) = v.value {
                count.score += value;
                count.scored += 1;
            }
        }
        count
    }

    /// All answers.
    pub fn n(&self) -> usize {
        self.assessed + self.unassessed
    }

    /// Mean score, if there is one.
    pub fn mean_score(&self) -> Option<f64> {
        (self.scored > 0).then(|| self.score / self.scored as f64)
    }
}

/// The group in the key of an answer: `prefill/40/behaviour` belongs to `prefill/40`.
pub(crate) fn group_of(key: &str) -> &str {
    let second = key.match_indices('/').nth(1).map(|(at, _)| at);
    &key[..second.unwrap_or(key.len())]
}

/// The different values, in the order of their first appearance.
pub(crate) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}
