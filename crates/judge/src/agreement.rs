//! How far two judges agree, and what a rate would be if the judge made no errors.

use crate::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The 2x2 table of two judges over the cases both assessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Success says both.
    pub both: usize,
    /// Success says the first only.
    pub only_first: usize,
    /// Success says the second only.
    pub only_second: usize,
    /// Success says neither.
    pub neither: usize,
    /// Cases that at least one of them did not assess.
    pub unassessed: usize,
}

impl Agreement {
    /// The table of pairs of outcomes.
    pub fn of(pairs: impl IntoIterator<Item = (Option<bool>, Option<bool>)>) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            match pair {
                (Some(true), Some(true)) => table.both += 1,
                (Some(true), Some(false)) => table.only_first += 1,
                (Some(false), Some(true)) => table.only_second += 1,
                (Some(false), Some(false)) => table.neither += 1,
                (None, _) | (_, None) => table.unassessed += 1,
            }
        }
        table
    }

    /// The table of two lists of verdicts, matched by the id of the case. A case that only one list has counts as
    /// unassessed; ids are taken to be unique within a list.
    pub fn between(first: &[Verdict], second: &[Verdict]) -> Self {
        let mut others: HashMap<&str, Option<bool>> = second.iter().map(|v| (v.case.as_str(), v.success)).collect();
        let mut pairs: Vec<_> = first.iter().map(|v| (v.success, others.remove(v.case.as_str()).flatten())).collect();
        pairs.extend(others.into_values().map(|success| (None, success)));
        Self::of(pairs)
    }

    /// Cases both assessed.
    pub fn n(&self) -> usize {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// Share of cases on which they agree; none without cases.
    pub fn observed(&self) -> Option<f64> {
        ratio(self.both + self.neither, self.n())
    }

    /// Cohen's kappa: (p_o - p_e) / (1 - p_e), with p_e the agreement of judges who decide at random at the same rates.
    /// None without cases, and if both always say the same one thing: chance then explains everything.
    pub fn kappa(&self) -> Option<f64> {
        let n = self.n() as f64;
        let first = ratio(self.both + self.only_first, self.n())?;
        let second = (self.both + self.only_second) as f64 / n;
        let chance = first * second + (1.0 - first) * (1.0 - second);
        (chance < 1.0).then_some((self.observed()? - chance) / (1.0 - chance))
    }

    /// Sensitivity of the first if the second is the truth: the share of successes it finds.
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.both, self.both + self.only_second)
    }

    /// Specificity of the first if the second is the truth: the share of failures it finds.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.neither, self.neither + self.only_first)
    }
}

fn ratio(k: usize, n: usize) -> Option<f64> {
    (n > 0).then(|| k as f64 / n as f64)
}

/// The rate that a judge of this sensitivity and specificity turns into the observed one (Rogan and Gladen 1978):
/// (p + Sp - 1) / (Se + Sp - 1), within 0..1. None if a number is not in 0..1, or if Se + Sp does not exceed 1: such a
/// judge says nothing.
pub fn rogan_gladen(observed: f64, sensitivity: f64, specificity: f64) -> Option<f64> {
    let valid = [observed, sensitivity, specificity].iter().all(|p| (0.0..=1.0).contains(p));
    let power = sensitivity + specificity - 1.0;
    (valid && power > 0.0).then(|| ((observed + specificity - 1.0) / power).clamp(0.0, 1.0))
}
