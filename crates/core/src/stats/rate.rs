//! Intervals of a measured rate.

use super::Z;
use super::binomial::Binomial;

/// Wilson's 95% score interval of a rate of `k` in `n`; (0, 1) if `n` is 0.
///
/// (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = k/n. E. B. Wilson, JASA 22 (1927), 209.
pub fn wilson(k: usize, n: usize) -> (f64, f64) {
    Rate::of(k, n).wilson()
}

/// A share of `n` independent cases.
///
/// It need not be a whole number of them: the mean of several rates on the same cases is a share of these cases, each
/// counted once, since outcomes of one case are not independent. Its interval is then wide enough however alike they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Between 0 and 1.
    pub value: f64,
    /// Independent cases.
    pub n: usize,
}

impl Rate {
    /// `k` in `n`; 0 if `n` is 0.
    pub fn of(k: usize, n: usize) -> Self {
        Self { value: k as f64 / n.max(1) as f64, n }
    }

    /// The mean of several rates on the same cases: a share of as many cases as the smallest of them has. `None` of no rates.
    pub fn mean(rates: &[Self]) -> Option<Self> {
        let n = rates.iter().map(|r| r.n).min()?;
        Some(Self { value: rates.iter().map(|r| r.value).sum::<f64>() / rates.len() as f64, n })
    }

    /// Wilson's 95% interval, see [`wilson`].
    pub fn wilson(&self) -> (f64, f64) {
        if self.n == 0 {
            return (0.0, 1.0);
        }
        let (p, n, z2) = (self.value, self.n as f64, Z * Z);
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }

    /// The share in percent, without decimals: `62%`.
    pub fn percent(&self) -> String {
        format!("{:.0}%", 100.0 * self.value)
    }

    /// Wilson's 95% interval in percent, without decimals: `51-72`.
    pub fn percent_interval(&self) -> String {
        let (low, high) = self.wilson();
        format!("{:.0}-{:.0}", 100.0 * low, 100.0 * high)
    }

    /// Newcombe's 95% interval of this rate minus another that was measured apart from it; (-1, 1) where one has no cases.
    ///
    /// With Wilson's intervals (l1, u1) and (l2, u2) it is p1 - p2 - √((p1 - l1)² + (u2 - p2)²) to
    /// p1 - p2 + √((u1 - p1)² + (p2 - l2)²). R. G. Newcombe, Statistics in Medicine 17 (1998), 873, method 10. For rates
    /// on the same cases [`Paired::newcombe`](super::Paired::newcombe) is narrower as a rule.
    pub fn minus(&self, other: &Self) -> (f64, f64) {
        if self.n == 0 || other.n == 0 {
            return (-1.0, 1.0);
        }
        let ((l1, u1), (l2, u2)) = (self.wilson(), other.wilson());
        let (p1, p2) = (self.value, other.value);
        let difference = p1 - p2;
        let (down, up) = ((p1 - l1).hypot(u2 - p2), (u1 - p1).hypot(p2 - l2));
        ((difference - down).max(-1.0), (difference + up).min(1.0))
    }
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
