//! The span of numbers an axis covers.

use crate::Axis;

/// Whether a number can be drawn at all.
pub(super) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e100
}

/// The ends of an interval around `value`, if it has any; an end that is missing is the value itself.
pub(super) fn ends(value: f64, low: Option<f64>, high: Option<f64>) -> Option<(f64, f64)> {
    let (low, high) = (low.filter(|v| drawable(*v)), high.filter(|v| drawable(*v)));
    (low.is_some() || high.is_some()).then(|| (low.unwrap_or(value), high.unwrap_or(value)))
}

/// The range an axis asks for, in order, if it can be drawn.
pub(super) fn wanted(axis: &Axis) -> Option<(f64, f64)> {
    axis.range.filter(|(a, b)| drawable(*a) && drawable(*b)).map(|(a, b)| (a.min(b), a.max(b)))
}

/// What the axis covers: what it asks for and all of `values`, never nothing. Where only the values decide, there is
/// `air` (a share of the span) on both sides.
pub(super) fn of(axis: &Axis, values: impl Iterator<Item = f64>, air: f64) -> (f64, f64) {
    let data = values.filter(|v| drawable(*v)).fold(None, |ends: Option<(f64, f64)>, v| match ends {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    });
    match (wanted(axis), data) {
        (None, None) => (0.0, 1.0),
        (Some(range), None) => widen(range),
        (Some((a, b)), Some((low, high))) => widen((a.min(low), b.max(high))),
        (None, Some(ends)) => {
            let (low, high) = widen(ends);
            (low - air * (high - low), high + air * (high - low))
        }
    }
}

/// The span, or a wider one around it if it is too short to be told from a point.
fn widen((low, high): (f64, f64)) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > (1e-9 * size).max(1e-12) {
        return (low, high);
    }
    let half = if size > 1e-9 { 0.1 * size } else { 0.5 };
    (low - half, high + half)
}
