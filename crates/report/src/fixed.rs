//! A number with a fixed number of decimals.

/// What stands for a number that is missing or is none.
pub(crate) const DASH: &str = "–";

/// `value` with a fixed number of decimals; a dash if it is not finite.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return DASH.into();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| matches!(c, '0' | '.')) => digits.into(),
        _ => text,
    }
}
