//! Gumbel noise in f64, without f64 work over the whole vocabulary.
//!
//! Sampling a token from softmax(logits / T) is arg-max of logits + T g with g = -ln(-ln u). u near 1 decides, so the
//! noise has to be exact there. Every token's noise is first computed in f32, whose error is bounded; only tokens that
//! could still win are computed again in f64. The result is the f64 arg-max.

use mosa_core::Rng;

/// One Gumbel draw from 64 uniform bits, in f64.
pub(crate) fn gumbel(bits: u64) -> f64 {
    // u = (k + 1/2) / 2^53; the upper half is computed from 1 - u, which is exact.
    let k = bits >> 11;
    let minus_ln_u =
        if k < HALF { -((k as f64 + 0.5) * GRID).ln() } else { -(-(((FULL - 1 - k) as f64 + 0.5) * GRID)).ln_1p() };
    -minus_ln_u.ln()
}

/// The same in f32: off by less than 1e-5 anywhere in its range of -3.7 to 37.5.
fn gumbel_f32(bits: u64) -> f32 {
    let k = bits >> 11;
    let minus_ln_u = if k < HALF {
        -((k as f32 + 0.5) * GRID as f32).ln()
    } else {
        -(-(((FULL - 1 - k) as f32 + 0.5) * GRID as f32)).ln_1p()
    };
    -minus_ln_u.ln()
}

const FULL: u64 = 1 << 53;
const HALF: u64 = FULL / 2;
const GRID: f64 = 1.0 / FULL as f64;

/// arg-max over v of logits[v] + temperature * g[v], ties going to the lower id. The noise of token v is the v-th draw
/// of `rng`. -inf logits are never chosen unless all are.
pub(crate) fn noisy_argmax(logits: &[f32], temperature: f64, mut rng: Rng, scratch: &mut Scratch) -> usize {
    let t = temperature as f32;
    scratch.bits.resize(logits.len(), 0);
    rng.fill_bits(&mut scratch.bits);
    scratch.rough.clear();
    scratch.rough.extend(logits.iter().zip(&scratch.bits).map(|(&l, &bits)| l + t * gumbel_f32(bits)));
    let best = scratch.rough.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let slack = 1e-4 * (1.0 + best.abs() + 40.0 * t);
    let exact = |v: usize| f64::from(logits[v]) + temperature * gumbel(scratch.bits[v]);
    let contenders = (0..logits.len()).filter(|&v| scratch.rough[v] >= best - slack);
    let winner = contenders.map(|v| (v, exact(v))).reduce(|a, b| if b.1 > a.1 { b } else { a });
    winner.map_or(0, |(v, _)| v)
}

/// Reused buffers.
#[derive(Default)]
pub(crate) struct Scratch {
    bits: Vec<u64>,
    rough: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mosa_core::Stream;

    #[test]
    fn f32_noise_stays_within_its_error_bound_over_the_whole_range() {
        let mut rng = Rng::at(1, Stream::Gumbel, 0, 0);
        let edges = [0u64, 1 << 11, u64::MAX, u64::MAX - (1 << 11), HALF << 11, (HALF - 1) << 11];
        for bits in edges.into_iter().chain((0..200_000).map(|i| rng.bits() >> (i % 60)).collect::<Vec<_>>()) {
            let (exact, rough) = (gumbel(bits), gumbel_f32(bits));
            assert!((exact - f64::from(rough)).abs() < 1e-5, "{bits}: {exact} {rough}");
            assert!((-3.7..37.5).contains(&exact), "{exact}");
        }
    }

    #[test]
    fn the_shortcut_returns_the_f64_argmax_even_among_near_ties() {
        let mut scratch = Scratch::default();
        for case in 0..200u64 {
            let mut draw = Rng::at(2, Stream::Bench, case, 0);
            let spread = [0.0, 1e-6, 1.0, 30.0][case as usize % 4];
            let logits: Vec<f32> = (0..500).map(|_| (draw.normal() * spread) as f32).collect();
            let temperature = [1e-6, 0.1, 1.0, 5.0][(case / 4) as usize % 4];
            let rng = Rng::at(3, Stream::Gumbel, case, 0);
            let mut full = rng.clone();
            let scores: Vec<f64> = logits.iter().map(|&l| f64::from(l) + temperature * gumbel(full.bits())).collect();
            let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let want = scores.iter().position(|&s| s == best).unwrap();
            assert_eq!(noisy_argmax(&logits, temperature, rng, &mut scratch), want, "case {case}");
        }
    }

    #[test]
    fn sampled_tokens_follow_the_softmax() {
        let logits = [0.0f32, 1.0, 2.0, f32::NEG_INFINITY];
        let (mut counts, mut scratch) = ([0usize; 4], Scratch::default());
        let (n, temperature) = (20_000, 2.0);
        for i in 0..n {
            counts[noisy_argmax(&logits, temperature, Rng::at(5, Stream::Gumbel, i, 0), &mut scratch)] += 1;
        }
        let weights: Vec<f64> = logits.iter().map(|&l| (f64::from(l) / temperature).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let (got, want) = (*count as f64 / n as f64, weight / total);
            assert!((got - want).abs() < 0.015, "{got} {want}");
        }
    }
}
