//! The bootstrap: intervals from drawing the cases again.
//!
//! Draw number i depends on (seed, i) alone. B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993),
//! chapter 13; the interval is that of percentiles.

use crate::{Rng, Stream};

/// The 95% interval of the mean over all outcomes, where outcomes of one cluster (several answers to one behaviour)
/// are not independent: whole clusters are drawn, with replacement, `draws` times.
///
/// The mean is that of all drawn outcomes, so a larger cluster weighs more. Clusters without outcomes are left out.
/// `None` without outcomes or without draws, or if one is not finite. With fewer than about 30 clusters it is too
/// narrow.
pub fn cluster_bootstrap(clusters: &[Vec<f64>], draws: usize, seed: u64) -> Option<(f64, f64)> {
    let filled = clusters.iter().filter(|c| !c.is_empty());
    interval(&filled.map(|c| (c.iter().sum(), c.len())).collect::<Vec<_>>(), draws, seed)
}

/// The 95% interval of the mean of first minus second, where both were measured on the same case: cases are drawn,
/// with replacement, `draws` times. `None` as in [`cluster_bootstrap`].
pub fn paired_bootstrap(pairs: &[(f64, f64)], draws: usize, seed: u64) -> Option<(f64, f64)> {
    interval(&pairs.iter().map(|(first, second)| (first - second, 1)).collect::<Vec<_>>(), draws, seed)
}

/// The interval of the ratio of sums over drawn (sum, count) pairs.
fn interval(parts: &[(f64, usize)], draws: usize, seed: u64) -> Option<(f64, f64)> {
    if parts.is_empty() || draws == 0 || parts.iter().any(|(sum, _)| !sum.is_finite()) {
        return None;
    }
    let mean = |draw: usize| {
        let mut rng = Rng::at(seed, Stream::Bootstrap, draw as u64, 0);
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..parts.len() {
            let (part, size) = parts[rng.below(parts.len())];
            sum += part;
            count += size;
        }
        sum / count as f64
    };
    let mut means: Vec<f64> = (0..draws).map(mean).collect();
    means.sort_unstable_by(f64::total_cmp);
    Some((quantile(&means, 0.025), quantile(&means, 0.975)))
}

/// The quantile of sorted numbers, straight between neighbours (type 7, as in R and NumPy).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
