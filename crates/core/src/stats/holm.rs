//! Holm's correction for many tests at once.

/// The p-values after Holm's step-down correction, in the order given: rejecting all that are at most 0.05 errs in any
/// of them with at most 5%.
///
/// With p(1) <= ... <= p(m) the i-th becomes the largest of min(1, (m - j + 1) p(j)) over j <= i. S. Holm,
/// Scandinavian Journal of Statistics 6 (1979), 65. A NaN (a test that was not made) stays one and does not count in m.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| !p[*i].is_nan()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut largest) = (vec![f64::NAN; p.len()], 0.0_f64);
    for (rank, i) in order.iter().enumerate() {
        largest = largest.max((order.len() - rank) as f64 * p[*i]).min(1.0);
        adjusted[*i] = largest;
    }
    adjusted
}
