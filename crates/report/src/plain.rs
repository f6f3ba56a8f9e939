//! Cells of the tables that commands print.

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
