//! AUROC against numbers computed by hand.

use super::near;
use mosa_core::stats::{auroc, roc};

#[test]
fn the_area_counts_pairs_and_ties_half() {
    // Of 3 x 2 pairs: 3 > 1, 3 > 2, 2 > 1 and a tie of 2 with 2, 0 below both: 3.5 of 6.
    let found = auroc(&[3.0, 2.0, 0.0], &[1.0, 2.0]).unwrap();
    assert!(near(found.area, 3.5 / 6.0, 1e-12));
    // Placements of the cases 1, 3/4, 0 (variance 13/48); of the controls 1/3, 1/2 (variance 1/72).
    let variance = 13.0 / 48.0 / 3.0 + 1.0 / 72.0 / 2.0;
    let (logit, half) = ((3.5f64 / 2.5).ln(), 1.959_963_984_540_054 * f64::sqrt(variance) / (3.5 / 6.0 * 2.5 / 6.0));
    assert!(near(found.interval.0, 1.0 / (1.0 + (half - logit).exp()), 1e-12));
    assert!(near(found.interval.1, 1.0 / (1.0 + (-half - logit).exp()), 1e-12));
    assert_eq!((found.cases, found.controls), (3, 2));
}

#[test]
fn turned_scores_have_the_turned_area_and_interval() {
    let (cases, controls) = ([0.9, 0.4, 0.6, 0.7], [0.1, 0.5, 0.65, 0.2, 0.3]);
    let turned = |all: &[f64]| all.iter().map(|s| -s).collect::<Vec<_>>();
    let (one, other) = (auroc(&cases, &controls).unwrap(), auroc(&turned(&cases), &turned(&controls)).unwrap());
    assert!(near(one.area, 1.0 - other.area, 1e-12));
    assert!(near(one.interval.0, 1.0 - other.interval.1, 1e-12));
}

#[test]
fn a_clear_result_of_few_is_no_certainty_and_nothing_of_nobody() {
    let few = auroc(&[1.0; 5], &[0.0; 20]).unwrap();
    assert_eq!((few.area, few.interval.1), (1.0, 1.0));
    assert!(near(few.interval.0, 0.025f64.powf(0.2), 1e-12));
    assert_eq!(auroc(&[0.0], &[1.0]).unwrap().interval, (0.0, 1.0 - 0.025));
    assert_eq!(auroc(&[], &[1.0]), None);
    assert_eq!(auroc(&[f64::NAN], &[1.0]), None);
}

#[test]
fn the_curve_passes_every_threshold() {
    let curve = roc(&[3.0, 2.0, 0.0], &[1.0, 2.0]);
    let third = 1.0 / 3.0;
    let want = [(0.0, 0.0), (0.0, third), (0.5, 2.0 * third), (1.0, 2.0 * third), (1.0, 1.0)];
    assert_eq!(curve.len(), want.len());
    for ((x, y), (want_x, want_y)) in curve.into_iter().zip(want) {
        assert!(near(x, want_x, 1e-12));
        assert!(near(y, want_y, 1e-12));
    }
}
