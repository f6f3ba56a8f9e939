use super::near;
use mosa_core::stats::{Paired, holm, mcnemar};
use proptest::prelude::*;

#[test]
fn mcnemar_has_known_values() {
    // scipy.stats.binomtest(min(b, c), b + c).pvalue
    for (b, c, p) in [
        (1, 7, 0.0703125),
        (0, 6, 0.03125),
        (10, 10, 1.0),
        (59, 6, 4.964650327128616e-12),
        (9, 3, 0.14599609375),
        (300, 240, 0.011050481081929898),
    ] {
        assert!(near(mcnemar(b, c) / p, 1.0, 1e-9), "{b} {c}: {}", mcnemar(b, c));
    }
    assert_eq!(mcnemar(0, 0), 1.0);
}

#[test]
fn pairs_are_counted_by_outcome() {
    let table: Paired =
        [(true, true), (true, false), (true, false), (false, true), (false, false)].into_iter().collect();
    assert_eq!(table, Paired { both: 1, first: 2, second: 1, neither: 1 });
    assert_eq!((table.n(), table.difference()), (5, Some(0.2)));
    assert_eq!(table.mcnemar(), mcnemar(2, 1));
    assert_eq!(Paired::default().difference(), None);
}

#[test]
fn holm_has_known_values() {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        assert!(near(*found, expected, 1e-12), "{adjusted:?}");
    }
    assert_eq!(holm(&[]), Vec::<f64>::new());
}

#[test]
fn a_test_that_was_not_made_does_not_count() {
    let adjusted = holm(&[0.01, f64::NAN, 0.5]);
    assert!(adjusted[1].is_nan());
    assert_eq!((adjusted[0], adjusted[2]), (0.02, 0.5));
}

proptest! {
    #[test]
    fn mcnemar_is_a_probability_and_does_not_care_which_model_is_first(b in 0usize..300, c in 0usize..300) {
        let p = mcnemar(b, c);
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert_eq!(p, mcnemar(c, b));
    }

    #[test]
    fn holm_keeps_the_order_and_never_lowers(p in proptest::collection::vec(0.0f64..=1.0, 0..20)) {
        let adjusted = holm(&p);
        for (i, a) in adjusted.iter().enumerate() {
            prop_assert!(p[i] <= *a && *a <= 1.0);
            for (j, b) in adjusted.iter().enumerate() {
                prop_assert!(p[i] > p[j] || a <= b);
            }
        }
    }
}
