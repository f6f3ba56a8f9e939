//! The binomial distribution, summed term by term.

use std::ops::RangeInclusive;

/// The number of successes in `n` trials.
pub(super) struct Binomial {
    n: usize,
    /// ln C(n, k) of every k.
    ln_choose: Vec<f64>,
}

impl Binomial {
    pub(super) fn new(n: usize) -> Self {
        let mut ln_choose = Vec::with_capacity(n + 1);
        ln_choose.push(0.0);
        for k in 1..=n {
            // C(n, k) = C(n, k - 1) (n - k + 1) / k
            let step = ((n - k + 1) as f64 / k as f64).ln();
            ln_choose.push(ln_choose[k - 1] + step);
        }
        Self { n, ln_choose }
    }

    /// P(X in `range`) = sum of C(n, k) p^k (1-p)^(n-k), for p in 0..1 without its ends.
    pub(super) fn sum(&self, range: RangeInclusive<usize>, p: f64) -> f64 {
        let (ln_p, ln_q) = (p.ln(), (-p).ln_1p());
        let term = |k: usize| (self.ln_choose[k] + k as f64 * ln_p + (self.n - k) as f64 * ln_q).exp();
        range.map(term).sum::<f64>().min(1.0)
    }
}
