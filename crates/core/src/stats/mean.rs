//! The interval of a mean of few numbers.

use super::Z;

/// Two-sided 95% points of Student's t with 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Student's 95% interval of the mean, mean ± t s / √n with s² the unbiased variance and t of n - 1 degrees of freedom.
/// `None` for fewer than two numbers, or if one is not finite.
pub fn mean_interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(values.len() - 1) * (variance / n).sqrt();
    Some((mean - half, mean + half))
}

/// The point of the table, beyond it the first two terms of the expansion in 1 / degrees (right to 1e-4 there).
fn student(degrees: usize) -> f64 {
    match T.get(degrees - 1) {
        Some(t) => *t,
        None => {
            let v = degrees as f64;
            Z + (Z.powi(3) + Z) / (4.0 * v) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * v * v)
        }
    }
}

/// The mean of independent estimates and its 95% interval, from an interval of each; `None` without estimates.
///
/// With the estimates t and their intervals (l, u) it is t̄ - √Σ(t - l)² / m to t̄ + √Σ(u - t)² / m, which keeps their
/// asymmetry. G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008), 1693.
pub fn mean_of_estimates(estimates: &[(f64, (f64, f64))]) -> Option<(f64, (f64, f64))> {
    if estimates.is_empty() {
        return None;
    }
    let m = estimates.len() as f64;
    let mean = estimates.iter().map(|(value, _)| value).sum::<f64>() / m;
    let side = |of: &dyn Fn(f64, (f64, f64)) -> f64| {
        estimates.iter().map(|(value, ends)| of(*value, *ends).powi(2)).sum::<f64>().sqrt() / m
    };
    Some((mean, (mean - side(&|value, (low, _)| value - low), mean + side(&|value, (_, high)| high - value))))
}
