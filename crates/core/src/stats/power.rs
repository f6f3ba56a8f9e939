//! How small a difference a sample can show.

use super::Z;

/// The 80% quantile of the standard normal distribution: a true difference is missed once in five times.
const Z_POWER: f64 = 0.841_621_233_572_914_3;

/// The smallest rise above the rate `base` that a two-sided test at 5% of two independent samples of `n` each finds
/// with power 0.8; `None` if not even a rise to 1 is found, or `base` is no rate. A fall is the rise of the opposite
/// outcome: `minimal_detectable_difference(n, 1.0 - base)`.
///
/// Solves n = (z √(2 p̄ (1-p̄)) + z' √(p1 (1-p1) + p2 (1-p2)))² / (p2 - p1)² for p2 with p1 = base, p̄ = (p1 + p2)/2,
/// z = 1.960, z' = 0.842. J. L. Fleiss, B. Levin and M. C. Paik, Statistical Methods for Rates and Proportions (2003),
/// section 4.2, without continuity correction. Pairs on the same prompts show smaller differences; this is the safe side.
pub fn minimal_detectable_difference(n: usize, base: f64) -> Option<f64> {
    let spread = |p: f64| p * (1.0 - p);
    let found = |rise: f64| {
        let (risen, middle) = (base + rise, base + 0.5 * rise);
        let needed = Z * (2.0 * spread(middle)).sqrt() + Z_POWER * (spread(base) + spread(risen)).max(0.0).sqrt();
        rise * (n as f64).sqrt() >= needed
    };
    if !(0.0..1.0).contains(&base) || n == 0 {
        return None;
    }
    smallest(1.0 - base, found)
}

/// The smallest difference of two rates on the same `n` cases that McNemar's test at 5% finds with power 0.8, if the two
/// disagree on the share `discordant` of the cases; `None` if they disagree on none or too few for any difference.
///
/// Solves n = (z √ψ + z' √(ψ - δ²))² / δ² for δ, with ψ the share of disagreement, z = 1.960, z' = 0.842. R. J. Connor,
/// Biometrics 43 (1987), 207. The exact test needs a little more.
pub fn minimal_detectable_difference_of_pairs(n: usize, discordant: f64) -> Option<f64> {
    let found = |shift: f64| {
        let spread = (discordant - shift * shift).max(0.0);
        shift * (n as f64).sqrt() >= Z * discordant.sqrt() + Z_POWER * spread.sqrt()
    };
    if !(discordant > 0.0 && discordant <= 1.0) || n == 0 {
        return None;
    }
    // All that disagree the same way differ by their share, and nothing differs by more.
    smallest(discordant, found)
}

/// The smallest number up to `most` that is `found`, by halving; `None` if not even that is.
fn smallest(most: f64, found: impl Fn(f64) -> bool) -> Option<f64> {
    let mut ends = (0.0, most);
    if !found(ends.1) {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (ends.0 + ends.1);
        *if found(middle) { &mut ends.1 } else { &mut ends.0 } = middle;
    }
    Some(ends.1)
}
