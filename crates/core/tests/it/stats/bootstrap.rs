use super::{assert_ends, near};
use mosa_core::stats::{cluster_bootstrap, paired_bootstrap};
use mosa_core::wilson;
use proptest::prelude::*;

fn ones_in(k: usize, n: usize) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| f64::from(u8::from(i < k)))
}

#[test]
fn single_outcomes_give_about_the_interval_of_a_rate() {
    let clusters: Vec<Vec<f64>> = ones_in(80, 200).map(|x| vec![x]).collect();
    assert_ends(cluster_bootstrap(&clusters, 4000, 1).unwrap(), wilson(80, 200), 0.012);
}

#[test]
fn outcomes_that_only_repeat_within_a_behaviour_do_not_narrow_the_interval() {
    let once: Vec<Vec<f64>> = ones_in(20, 50).map(|x| vec![x]).collect();
    let tenfold: Vec<Vec<f64>> = ones_in(20, 50).map(|x| vec![x; 10]).collect();
    // Sums of equal numbers differ in the last digit only.
    assert_ends(cluster_bootstrap(&tenfold, 1000, 7).unwrap(), cluster_bootstrap(&once, 1000, 7).unwrap(), 1e-12);
    let (low, high) = wilson(200, 500);
    let (clustered_low, clustered_high) = cluster_bootstrap(&tenfold, 1000, 7).unwrap();
    assert!(clustered_high - clustered_low > 2.0 * (high - low), "pooled rows would be far too narrow");
}

#[test]
fn a_seed_fixes_the_interval() {
    let clusters: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i * i % 7), 1.0]).collect();
    assert_eq!(cluster_bootstrap(&clusters, 500, 3), cluster_bootstrap(&clusters, 500, 3));
    assert_ne!(cluster_bootstrap(&clusters, 500, 3), cluster_bootstrap(&clusters, 500, 4));
}

#[test]
fn a_larger_behaviour_weighs_more_and_an_empty_one_nothing() {
    let equal = vec![vec![1.0; 9], vec![], vec![1.0]];
    assert_eq!(cluster_bootstrap(&equal, 100, 1), Some((1.0, 1.0)));
    let heavy: Vec<Vec<f64>> = (0..40).map(|i| if i % 2 == 0 { vec![1.0; 9] } else { vec![0.0] }).collect();
    let (low, high) = cluster_bootstrap(&heavy, 1000, 1).unwrap();
    assert!(low < 0.9 && 0.9 < high && low > 0.7, "{low} {high}");
}

#[test]
fn pairs_are_kept_together() {
    // The scores vary by 100, their differences not at all.
    let shifted: Vec<(f64, f64)> = (0..30).map(|i| (f64::from(i * i % 100), f64::from(i * i % 100) - 2.0)).collect();
    assert_eq!(paired_bootstrap(&shifted, 200, 5), Some((2.0, 2.0)));
    // The spread of a mean of n normal numbers is sigma / sqrt(n).
    let mut rng = mosa_core::Rng::at(1, mosa_core::Stream::Bench, 0, 0);
    let normal: Vec<(f64, f64)> = (0..400).map(|_| (rng.normal(), 0.0)).collect();
    let (low, high) = paired_bootstrap(&normal, 2000, 5).unwrap();
    assert!(near(high - low, 2.0 * 1.96 / 20.0, 0.02), "{low} {high}");
}

#[test]
fn nothing_measured_is_no_interval() {
    assert_eq!(cluster_bootstrap(&[], 100, 1), None);
    assert_eq!(cluster_bootstrap(&[vec![], vec![]], 100, 1), None);
    assert_eq!(cluster_bootstrap(&[vec![1.0]], 0, 1), None);
    assert_eq!(paired_bootstrap(&[(1.0, f64::NAN)], 100, 1), None);
}

proptest! {
    #[test]
    fn the_interval_stays_within_the_outcomes(scores in proptest::collection::vec(-5.0f64..5.0, 1..30), seed in 0u64..9) {
        let clusters: Vec<Vec<f64>> = scores.chunks(3).map(<[f64]>::to_vec).collect();
        let (low, high) = cluster_bootstrap(&clusters, 200, seed).unwrap();
        let ends = scores.iter().fold((f64::MAX, f64::MIN), |e, s| (e.0.min(*s), e.1.max(*s)));
        prop_assert!(ends.0 - 1e-9 <= low && low <= high && high <= ends.1 + 1e-9);
    }

    #[test]
    fn the_interval_holds_the_mean(scores in proptest::collection::vec(0.0f64..1.0, 20..60)) {
        let pairs: Vec<(f64, f64)> = scores.iter().map(|s| (*s, 0.5)).collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64 - 0.5;
        let (low, high) = paired_bootstrap(&pairs, 400, 1).unwrap();
        prop_assert!(low <= mean && mean <= high);
    }
}
