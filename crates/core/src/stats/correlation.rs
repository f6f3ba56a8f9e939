//! How far two quantities go together.

use std::cmp::Ordering;

/// Kendall's tau-b of pairs (x, y): (concordant - discordant) / √((all - ties in x)(all - ties in y)), over all pairs
/// of pairs. `None` if x or y is the same everywhere, or a number is NaN. M. G. Kendall, Biometrika 33 (1945), 239.
///
/// Takes time in the square of the number of pairs.
pub fn kendall_tau_b(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut score, mut apart_x, mut apart_y) = (0_i64, 0_i64, 0_i64);
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[..i] {
            let (x, y) = (sign(a.0.partial_cmp(&b.0)?), sign(a.1.partial_cmp(&b.1)?));
            score += x * y;
            apart_x += x * x;
            apart_y += y * y;
        }
    }
    let scale = (apart_x as f64).sqrt() * (apart_y as f64).sqrt();
    (scale > 0.0).then(|| (score as f64 / scale).clamp(-1.0, 1.0))
}

/// Pearson's correlation of pairs (x, y): Σ(x - x̄)(y - ȳ) / √(Σ(x - x̄)² Σ(y - ȳ)²). `None` if x or y is the same
/// everywhere, or a number is not finite.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    // Rounding would leave a constant a little spread of its own.
    if pairs.windows(2).all(|w| w[0].0 == w[1].0) || pairs.windows(2).all(|w| w[0].1 == w[1].1) {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (dx, dy) = (x - mean_x, y - mean_y);
        (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
    }
    let r = xy / (xx.sqrt() * yy.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

fn sign(order: Ordering) -> i64 {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}
