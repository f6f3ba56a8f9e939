//! Cells of the tables that commands print.

use crate::fixed::fixed;
use mosa_core::stats::Rate;

/// A header row.
pub fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `k` of `n` in percent, and its Wilson 95% interval: `62% (48/78)` and `51-72`; two dashes if `n` is 0.
pub fn rate(k: usize, n: usize) -> [String; 2] {
    if n == 0 {
        return ["-".into(), "-".into()];
    }
    let rate = Rate::of(k, n);
    [format!("{} ({k}/{n})", rate.percent()), rate.percent_interval()]
}

/// A share and its 95% interval, in percent to one decimal: `69.8%` and `67.3-72.2`; a dash for what there is not.
pub fn share(value: f64, interval: Option<(f64, f64)>) -> [String; 2] {
    let percent = |x: f64| fixed(100.0 * x, 1);
    let between = interval.map_or("-".into(), |(low, high)| format!("{}-{}", percent(low), percent(high)));
    [if value.is_finite() { format!("{}%", percent(value)) } else { "-".into() }, between]
}
