//! The area under a receiver operating characteristic: how well a number tells cases from controls.

use super::Z;

/// An area with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auroc {
    /// P(case > control) + P(case = control) / 2.
    pub area: f64,
    /// The 95% interval.
    pub interval: (f64, f64),
    /// Cases.
    pub cases: usize,
    /// Controls.
    pub controls: usize,
}

/// The area under the curve of scores, high ones for cases, with DeLong's interval.
///
/// The area is the Mann-Whitney statistic; ties count half. Its variance is S10 / cases + S01 / controls, the sample variances of
/// the placements of either among the other (E. R. DeLong et al., Biometrics 44 (1988), 837). The interval is made on the scale of
/// ln(a / (1 - a)), so it stays between 0 and 1. At an area of 0 or 1 the variance is 0 whatever the size: the interval then ends
/// where the area would give so clear a result in 2.5% of repetitions, 0.025^(1/n) with n the smaller of the two numbers, taken as
/// that many independent pairs. `None` if there are no cases or controls, or a score is not a number.
pub fn auroc(cases: &[f64], controls: &[f64]) -> Option<Auroc> {
    let (m, n) = (cases.len(), controls.len());
    if m == 0 || n == 0 || cases.iter().chain(controls).any(|s| s.is_nan()) {
        return None;
    }
    let (above, below) = (placements(cases, controls), placements(controls, cases));
    let area = above.iter().sum::<f64>() / m as f64;
    // A control's placement is the share of cases it is above.
    let variance = spread(&above) / m as f64 + spread(&below) / n as f64;
    Some(Auroc { area, interval: interval(area, variance, m.min(n)), cases: m, controls: n })
}

/// Per score the share of the others below it, ties half.
fn placements(scores: &[f64], others: &[f64]) -> Vec<f64> {
    let mut sorted = others.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let share = |score: &f64| {
        let less = sorted.partition_point(|other| other < score);
        let most = sorted.partition_point(|other| other <= score);
        (less + most) as f64 / (2.0 * sorted.len() as f64)
    };
    scores.iter().map(share).collect()
}

/// The sample variance; 0 of one number.
fn spread(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)
}

fn interval(area: f64, variance: f64, n: usize) -> (f64, f64) {
    let edge = 0.025f64.powf(1.0 / n as f64);
    if area >= 1.0 {
        return (edge, 1.0);
    }
    if area <= 0.0 {
        return (0.0, 1.0 - edge);
    }
    let (logit, half) = ((area / (1.0 - area)).ln(), Z * variance.sqrt() / (area * (1.0 - area)));
    let back = |x: f64| 1.0 / (1.0 + (-x).exp());
    (back(logit - half), back(logit + half))
}

/// The curve: (false positive rate, true positive rate) at every score as a threshold, from (0, 0) to (1, 1).
pub fn roc(cases: &[f64], controls: &[f64]) -> Vec<(f64, f64)> {
    let mut scores: Vec<f64> = cases.iter().chain(controls).copied().filter(|s| !s.is_nan()).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.dedup();
    let share = |of: &[f64], score: f64| of.iter().filter(|s| **s >= score).count() as f64 / of.len().max(1) as f64;
    std::iter::once((0.0, 0.0)).chain(scores.into_iter().map(|s| (share(controls, s), share(cases, s)))).collect()
}
