//! Numbers as a reader sees them.

pub(crate) use crate::fixed::{DASH, fixed};
use crate::plain;

/// A rate with its 95% interval: `62% (48/78), 51-72`; a dash if nothing was counted.
pub(crate) fn rate(k: usize, n: usize) -> String {
    if n == 0 {
        return DASH.into();
    }
    let [share, interval] = plain::rate(k, n);
    format!("{share}, {interval}")
}

/// A share of `n` cases with its 95% interval, in percent to one decimal: `69.8%, 67.3-72.2 (n = 1319)`; a dash if
/// there are none.
pub(crate) fn share(value: f64, interval: Option<(f64, f64)>, n: usize) -> String {
    if n == 0 || !value.is_finite() {
        return DASH.into();
    }
    let [share, interval] = plain::share(value, interval);
    let between = if interval == "-" { String::new() } else { format!(", {interval}") };
    format!("{share}{between} (n = {n})")
}

/// A value on an axis that is `span` long, with the decimals that tell neighbouring ticks apart.
pub(crate) fn tick(value: f64, span: f64) -> String {
    let value = if value.abs() < span * 1e-9 { 0.0 } else { value };
    if value.abs() >= 1e6 || (value != 0.0 && span < 1e-4) {
        return format!("{value:.2e}").replace(".00e", "e").replace("0e", "e");
    }
    let decimals = (2.0 - span.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}
