use super::{assert_ends, near};
use mosa_core::stats::{
    Paired, Rate, clopper_pearson, mean_interval, mean_of_estimates, minimal_detectable_difference,
    minimal_detectable_difference_of_pairs,
};
use mosa_core::wilson;
use proptest::prelude::*;

#[test]
fn wilson_intervals_have_known_values() {
    // By hand from the closed form.
    for (k, n, ends) in
        [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (5, 10, (0.2366, 0.7634)), (48, 78, (0.5044, 0.7155))]
    {
        assert_ends(wilson(k, n), ends, 5e-4);
    }
    assert_eq!(wilson(0, 0), (0.0, 1.0));
}

#[test]
fn clopper_pearson_intervals_have_known_values() {
    // scipy.stats.binomtest(k, n).proportion_ci(method="exact")
    for (k, n, ends) in [
        (0, 10, (0.0, 0.30849710781876294)),
        (5, 10, (0.1870860284474045, 0.8129139715525955)),
        (48, 78, (0.4983309711530879, 0.7233983705111664)),
        (10, 10, (0.6915028921812371, 1.0)),
        (3, 100, (0.006229971538306227, 0.08517605297428028)),
        (7000, 14042, (0.49019998233065065, 0.5068096107054968)),
    ] {
        assert_ends(clopper_pearson(k, n), ends, 1e-10);
    }
    assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
    assert_eq!(clopper_pearson(11, 10), clopper_pearson(10, 10));
}

#[test]
fn differences_of_rates_measured_apart_have_known_values() {
    // Newcombe 1998 (Statistics in Medicine 17, 873), table II, method 10, as printed there.
    for ((k, n), (l, m), ends) in [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ] {
        assert_ends(Rate::of(k, n).minus(&Rate::of(l, m)), ends, 5e-5);
    }
    assert_eq!(Rate::of(0, 0).minus(&Rate::of(1, 2)), (-1.0, 1.0));
}

#[test]
fn several_rates_on_the_same_cases_count_their_cases_once() {
    let mean = Rate::mean(&[Rate::of(0, 4), Rate::of(4, 4), Rate::of(2, 4)]).unwrap();
    assert_eq!((mean.value, mean.n), (0.5, 4));
    assert_eq!(mean.wilson(), wilson(2, 4));
    assert_eq!(Rate::mean(&[]), None);
}

#[test]
fn intervals_of_a_mean_have_known_values() {
    // scipy.stats.t.interval(0.95, n - 1, mean, sem)
    assert_ends(mean_interval(&[1.0, 2.0, 3.0]).unwrap(), (-0.48413771175033, 4.48413771175033), 1e-3);
    let many: Vec<f64> = (0..50).map(|i| f64::from(i % 5)).collect();
    assert_ends(mean_interval(&many).unwrap(), (1.5939839, 2.4060161), 1e-4);
    assert_eq!(mean_interval(&[0.5, 0.5]), Some((0.5, 0.5)));
    for bad in [&[][..], &[1.0], &[1.0, f64::NAN]] {
        assert_eq!(mean_interval(bad), None);
    }
}

#[test]
fn newcombe_intervals_have_known_values() {
    let table = |both, first, second, neither| Paired { both, first, second, neither };
    // Airway hyper-responsiveness before and after a transplantation: Fagerland, Lydersen and Laake, Statistics in
    // Medicine 33 (2014), 2850 print -0.507 to -0.026.
    assert_ends(table(1, 1, 7, 12).newcombe().unwrap(), (-0.506920226686141, -0.025559124164859837), 1e-12);
    // The formula in Python with scipy's Wilson intervals.
    assert_ends(table(59, 6, 16, 80).newcombe().unwrap(), (-0.11862119563870996, -0.004625113933050054), 1e-12);
    assert_ends(table(20, 10, 5, 15).newcombe().unwrap(), (-0.052873479685788316, 0.24501958350738418), 1e-12);
    // Nothing happened in ten cases: not a width of zero.
    assert_ends(table(0, 0, 0, 10).newcombe().unwrap(), (-0.27753279986288926, 0.27753279986288926), 1e-12);
    assert_eq!(Paired::default().newcombe(), None);
}

#[test]
fn detectable_differences_have_known_values() {
    // Fleiss, Levin and Paik: 356 per group tell 0.6 from 0.7. The others: the formula solved with scipy's brentq.
    for (n, base, rise) in [
        (356, 0.6, 0.09999224984581997),
        (100, 0.5, 0.1932251509298023),
        (100, 0.05, 0.12428285160763472),
        (520, 0.1, 0.058192446126446466),
        (50, 0.0, 0.14239668879973433),
    ] {
        assert!(near(minimal_detectable_difference(n, base).unwrap(), rise, 1e-9), "{n} {base}");
    }
    for (n, base) in [(0, 0.5), (3, 0.5), (100, 0.999), (100, 1.0), (100, -0.1), (100, f64::NAN)] {
        assert_eq!(minimal_detectable_difference(n, base), None, "{n} {base}");
    }
}

#[test]
fn a_difference_of_pairs_is_found_with_as_many_cases_as_connor_asks_for() {
    // (z sqrt(psi) + z' sqrt(psi - delta^2))^2 / delta^2, rounded up and down.
    for (delta, psi, n) in [(0.1, 0.3, 233), (0.05, 0.2, 625), (0.02, 0.05, 978)] {
        let of = |n| minimal_detectable_difference_of_pairs(n, psi).unwrap();
        assert!(of(n + 1) <= delta && delta < of(n), "{delta} {psi}");
    }
    for (n, psi) in [(0, 0.3), (100, 0.0), (100, 0.01), (100, 1.1), (100, f64::NAN)] {
        assert_eq!(minimal_detectable_difference_of_pairs(n, psi), None, "{n} {psi}");
    }
}

#[test]
fn the_mean_of_estimates_is_as_wide_as_independent_errors_make_it() {
    let (mean, (low, high)) = mean_of_estimates(&[(0.1, (0.06, 0.11)), (0.3, (0.27, 0.5))]).unwrap();
    assert!(near(mean, 0.2, 1e-12));
    // Sides of 0.04 and 0.03 add up to 0.05, those of 0.01 and 0.2 to 0.20025; of the mean they are half.
    assert_ends((low, high), (0.175, 0.2 + 0.5 * 0.0401f64.sqrt()), 1e-12);
    let (alone, (low, high)) = mean_of_estimates(&[(0.3, (0.27, 0.5))]).unwrap();
    assert!(near(alone, 0.3, 1e-12));
    assert_ends((low, high), (0.27, 0.5), 1e-12);
    assert_eq!(mean_of_estimates(&[]), None);
}

proptest! {
    #[test]
    fn intervals_of_a_rate_hold_it_and_mirror(n in 1usize..400, share in 0.0f64..=1.0) {
        let k = (n as f64 * share).round() as usize;
        let p = k as f64 / n as f64;
        for interval in [wilson, clopper_pearson] {
            let ((low, high), (mirrored_low, mirrored_high)) = (interval(k, n), interval(n - k, n));
            prop_assert!(0.0 <= low && low <= p + 1e-12 && p <= high + 1e-12 && high <= 1.0);
            prop_assert!(near(low, 1.0 - mirrored_high, 1e-9) && near(high, 1.0 - mirrored_low, 1e-9));
        }
    }

    #[test]
    fn newcombe_holds_the_difference_and_mirrors(a in 0usize..60, b in 0usize..60, c in 0usize..60, d in 1usize..60) {
        let table = Paired { both: a, first: b, second: c, neither: d };
        let swapped = Paired { first: c, second: b, ..table };
        let (difference, (low, high)) = (table.difference().unwrap(), table.newcombe().unwrap());
        prop_assert!(-1.0 <= low && low <= difference + 1e-12 && difference <= high + 1e-12 && high <= 1.0);
        let (mirrored_low, mirrored_high) = swapped.newcombe().unwrap();
        prop_assert!(near(low, -mirrored_high, 1e-12) && near(high, -mirrored_low, 1e-12));
    }

    #[test]
    fn more_cases_show_smaller_differences(n in 10usize..5000, base in 0.0f64..0.4) {
        let (few, many) = (minimal_detectable_difference(n, base), minimal_detectable_difference(2 * n, base));
        prop_assert!(many.unwrap() < few.unwrap_or(1.0));
    }
}
