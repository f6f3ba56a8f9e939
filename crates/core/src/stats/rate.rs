//! Intervals of a measured rate.

use super::Z;
use super::binomial::Binomial;

/// Wilson's 95% score interval of a rate of `k` in `n`; (0, 1) if `n` is 0.
///
/// (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = k/n. E. B. Wilson, JASA 22 (1927), 209.
pub fn wilson(k: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (k as f64, n as f64);
    let (p, z2) = (k / n, Z * Z);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The exact 95% interval of a rate of `k` in `n`; (0, 1) if `n` is 0. It never covers less than 95%, and is wider
/// than [`wilson`] for it.
///
/// Its ends are the p at which P(X >= k) and P(X <= k) are 2.5%, for X binomial in n and p. C. J. Clopper and
/// E. S. Pearson, Biometrika 26 (1934), 404. A `k` above `n` counts as `n`.
pub fn clopper_pearson(k: usize, n: usize) -> (f64, f64) {
    let k = k.min(n);
    if n == 0 {
        return (0.0, 1.0);
    }
    let binomial = Binomial::new(n);
    let low = if k == 0 { 0.0 } else { crossing(|p| binomial.sum(k..=n, p) < 0.025) };
    let high = if k == n { 1.0 } else { crossing(|p| binomial.sum(0..=k, p) > 0.025) };
    (low, high)
}

/// Where in 0..1 `below` turns from true to false, by halving.
fn crossing(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // 60 halvings of 1 are finer than the numbers next to any p above 1e-3.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *if below(middle) { &mut low } else { &mut high } = middle;
    }
    0.5 * (low + high)
}
