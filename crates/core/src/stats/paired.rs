//! Two yes-or-no outcomes of the same cases: two models on the same prompts, or two judges on the same answers.

use super::binomial::Binomial;
use super::wilson;

/// How often each pair of outcomes came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    /// Yes in both.
    pub both: usize,
    /// Yes in the first only; b in McNemar's test.
    pub first: usize,
    /// Yes in the second only; c in McNemar's test.
    pub second: usize,
    /// No in both.
    pub neither: usize,
}

impl FromIterator<(bool, bool)> for Paired {
    fn from_iter<I: IntoIterator<Item = (bool, bool)>>(pairs: I) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut table.both,
                (true, false) => &mut table.first,
                (false, true) => &mut table.second,
                (false, false) => &mut table.neither,
            } += 1;
        }
        table
    }
}

impl Paired {
    /// How many cases there are.
    pub fn n(&self) -> usize {
        self.both + self.first + self.second + self.neither
    }

    /// The first rate minus the second, (b - c) / n; `None` without cases.
    pub fn difference(&self) -> Option<f64> {
        (self.n() > 0).then(|| (self.first as f64 - self.second as f64) / self.n() as f64)
    }

    /// The exact p-value of "both rates are equal", see [`mcnemar`].
    pub fn mcnemar(&self) -> f64 {
        mcnemar(self.first, self.second)
    }

    /// Newcombe's 95% interval of [`Paired::difference`]; `None` without cases.
    ///
    /// With Wilson's intervals (l1, u1) and (l2, u2) of the two rates p1 and p2 and D = p1 - p2 it is
    /// D - √(d1² - 2 φ d1 e2 + e2²) to D + √(e1² - 2 φ e1 d2 + d2²), where d = p - l, e = u - p, and φ is the
    /// correlation of the table, its numerator ad - bc lowered by n/2 (not below 0) where it is positive.
    /// R. G. Newcombe, Statistics in Medicine 17 (1998), 2635, method 10.
    pub fn newcombe(&self) -> Option<(f64, f64)> {
        let difference = self.difference()?;
        let n = self.n();
        let side = |k: usize| {
            let (p, (low, high)) = (k as f64 / n as f64, wilson(k, n));
            (p - low, high - p)
        };
        let ((d1, e1), (d2, e2)) = (side(self.both + self.first), side(self.both + self.second));
        let phi = self.correlation();
        let length = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
        Some(((difference - length(d1, e2)).max(-1.0), (difference + length(e1, d2)).min(1.0)))
    }

    /// Cohen's kappa, (po - pe) / (1 - pe) with po the observed share of equal outcomes and pe the share two
    /// independent judges with the same rates would reach. `None` without cases, or if both always say the same one
    /// thing. J. Cohen, Educational and Psychological Measurement 20 (1960), 37.
    pub fn kappa(&self) -> Option<f64> {
        let n = self.n() as f64;
        let (yes1, yes2) = ((self.both + self.first) as f64, (self.both + self.second) as f64);
        let chance = (yes1 * yes2 + (n - yes1) * (n - yes2)) / (n * n);
        let equal = (self.both + self.neither) as f64 / n;
        // Also false for NaN, which no cases give.
        (chance < 1.0).then(|| (equal - chance) / (1.0 - chance))
    }

    /// φ of the table with Newcombe's correction; 0 if a margin is empty.
    fn correlation(&self) -> f64 {
        let [a, b, c, d] = [self.both, self.first, self.second, self.neither].map(|k| k as f64);
        let product = (a + b) * (c + d) * (a + c) * (b + d);
        if product == 0.0 {
            return 0.0;
        }
        let cross = a * d - b * c;
        let corrected = if cross > 0.0 { (cross - 0.5 * (a + b + c + d)).max(0.0) } else { cross };
        corrected / product.sqrt()
    }
}

/// The exact two-sided p-value of McNemar's test: cases that changed one way (`b`) and the other (`c`) against even
/// odds, min(1, 2 P(X <= min(b, c))) for X binomial in b + c and 1/2. Cases that did not change say nothing.
/// Q. McNemar, Psychometrika 12 (1947), 153; report b and c beside it.
pub fn mcnemar(b: usize, c: usize) -> f64 {
    (2.0 * Binomial::new(b + c).sum(0..=b.min(c), 0.5)).min(1.0)
}
