use super::near;
use mosa_core::stats::pass_at_k;
use proptest::prelude::*;

#[test]
fn pass_at_k_has_exact_values() {
    // 1 - math.comb(n - c, k) / math.comb(n, k)
    for (n, c, k, value) in [
        (5, 1, 1, 0.2),
        (10, 3, 2, 0.5333333333333333),
        (20, 7, 5, 0.9169891640866873),
        (200, 13, 100, 0.9999194971988055),
        (4, 4, 4, 1.0),
        (3, 0, 2, 0.0),
        (6, 4, 3, 1.0),
    ] {
        let found = pass_at_k(n, c, k).unwrap();
        assert!(near(found, value, 1e-12), "{n} {c} {k}: {found}");
    }
}

#[test]
fn more_attempts_than_were_made_say_nothing() {
    for (n, c, k) in [(3, 1, 4), (0, 0, 1), (3, 1, 0), (3, 4, 1)] {
        assert_eq!(pass_at_k(n, c, k), None, "{n} {c} {k}");
    }
}

proptest! {
    #[test]
    fn pass_at_one_is_the_share_and_more_attempts_never_pass_less(n in 1usize..300, share in 0.0f64..=1.0) {
        let c = (n as f64 * share).round() as usize;
        prop_assert!(near(pass_at_k(n, c, 1).unwrap(), c as f64 / n as f64, 1e-9));
        let all: Vec<f64> = (1..=n).map(|k| pass_at_k(n, c, k).unwrap()).collect();
        prop_assert!(all.windows(2).all(|w| w[0] <= w[1] + 1e-12));
        prop_assert_eq!(all[n - 1], f64::from(u8::from(c > 0)));
    }
}
