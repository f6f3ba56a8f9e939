use mosa_core::wilson;
use proptest::prelude::*;

#[test]
fn wilson_intervals_have_known_values() {
    let close = |(low, high): (f64, f64), expected: (f64, f64)| {
        assert!((low - expected.0).abs() < 5e-4 && (high - expected.1).abs() < 5e-4, "{low} {high}");
    };
    // By hand from the closed form.
    close(wilson(0, 10), (0.0, 0.2775));
    close(wilson(10, 10), (0.7225, 1.0));
    close(wilson(5, 10), (0.2366, 0.7634));
    close(wilson(48, 78), (0.5044, 0.7155));
    assert_eq!(wilson(0, 0), (0.0, 1.0));
}

proptest! {
    #[test]
    fn a_wilson_interval_holds_the_rate_and_mirrors(n in 1usize..400, share in 0.0f64..=1.0) {
        let k = (n as f64 * share).round() as usize;
        let ((low, high), (mirrored_low, mirrored_high)) = (wilson(k, n), wilson(n - k, n));
        let p = k as f64 / n as f64;
        let near = 1e-12;
        prop_assert!(0.0 <= low && low <= p + near && p <= high + near && high <= 1.0);
        prop_assert!((low - (1.0 - mirrored_high)).abs() < 1e-9 && (high - (1.0 - mirrored_low)).abs() < 1e-9);
    }
}
