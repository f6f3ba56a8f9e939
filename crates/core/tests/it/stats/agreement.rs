use super::near;
use mosa_core::stats::{Paired, kendall_tau_b, pearson};
use proptest::prelude::*;

fn pairs(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    x.iter().copied().zip(y.iter().copied()).collect()
}

#[test]
fn kappa_has_known_values() {
    // The reviews of 50 grant proposals that textbooks use: 20 + 15 equal, kappa 0.4.
    let kappa = Paired { both: 20, first: 5, second: 10, neither: 15 }.kappa().unwrap();
    assert!(near(kappa, 0.4, 1e-12), "{kappa}");
    assert_eq!(Paired { both: 3, first: 0, second: 0, neither: 4 }.kappa(), Some(1.0));
    assert_eq!(Paired { both: 0, first: 5, second: 5, neither: 0 }.kappa(), Some(-1.0));
    assert_eq!(Paired { both: 9, ..Paired::default() }.kappa(), None);
    assert_eq!(Paired::default().kappa(), None);
}

#[test]
fn kendall_and_pearson_have_known_values() {
    // scipy.stats.kendalltau, scipy.stats.pearsonr
    for (x, y, tau, r) in [
        ([12., 2., 1., 12., 2.].as_slice(), [1., 4., 7., 1., 0.].as_slice(), -0.4714045207910316, -0.5566399985665696),
        (&[1., 2., 3., 4., 5., 6.], &[10., 20., 30., 40., 50., 60.], 1.0, 1.0),
        (
            &[106., 100., 86., 101., 99., 103., 97., 113., 112., 110.],
            &[7., 27., 2., 50., 28., 29., 20., 12., 6., 17.],
            -0.1111111111111111,
            -0.07021632602905677,
        ),
    ] {
        let pairs = pairs(x, y);
        assert!(near(kendall_tau_b(&pairs).unwrap(), tau, 1e-12) && near(pearson(&pairs).unwrap(), r, 1e-12));
    }
}

#[test]
fn a_constant_has_no_correlation_and_neither_has_nothing() {
    let constant: Vec<(f64, f64)> = (0..7).map(|i| (f64::from(i), 0.1)).collect();
    for pairs in [constant.as_slice(), &[], &[(1.0, 2.0)], &[(1.0, f64::NAN), (2.0, 1.0)]] {
        assert_eq!((kendall_tau_b(pairs), pearson(pairs)), (None, None), "{pairs:?}");
    }
}

proptest! {
    #[test]
    fn correlations_are_within_one_and_turn_with_their_sign(
        values in proptest::collection::vec((-9i32..9, -9i32..9), 2..40),
    ) {
        let pairs: Vec<(f64, f64)> = values.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).collect();
        let turned: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (*x, -y)).collect();
        for of in [kendall_tau_b, pearson] {
            let (r, opposite) = (of(&pairs), of(&turned));
            prop_assert!(r.is_none_or(|r| (-1.0..=1.0).contains(&r)));
            prop_assert!(near(r.unwrap_or(0.0), -opposite.unwrap_or(0.0), 1e-12));
        }
    }

    #[test]
    fn kappa_is_at_most_one_and_symmetric(a in 0usize..50, b in 0usize..50, c in 0usize..50, d in 0usize..50) {
        let kappa = Paired { both: a, first: b, second: c, neither: d }.kappa();
        prop_assert!(kappa.is_none_or(|k| (-1.0 - 1e-12..=1.0).contains(&k)));
        prop_assert_eq!(kappa, Paired { both: a, first: c, second: b, neither: d }.kappa());
    }
}
