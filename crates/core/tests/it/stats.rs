mod agreement;
mod attempts;
mod auroc;
mod bootstrap;
mod intervals;
mod tests;

/// Whether two numbers differ by less than `by`.
fn near(a: f64, b: f64, by: f64) -> bool {
    (a - b).abs() < by
}

/// Asserts that the ends of two intervals differ by less than `by`.
fn assert_ends(found: (f64, f64), expected: (f64, f64), by: f64) {
    assert!(near(found.0, expected.0, by) && near(found.1, expected.1, by), "{found:?}, not {expected:?}");
}
