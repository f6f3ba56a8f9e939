//! Bounds of the numbers that can be typed. A number outside is refused with its flag and its bounds.

use clap::builder::RangedU64ValueParser;

/// Positions of a canvas, offsets, tokens: more than any context.
pub(crate) const POSITIONS: u64 = 1 << 20;
/// Rows that share a decode or a pass.
pub(crate) const ROWS: u64 = 65_536;
/// Threads of the program, and requests under way at the same time.
pub(crate) const THREADS: u64 = 1_024;
/// Prompts of a file.
pub(crate) const PROMPTS: u64 = 1_000_000_000;
/// Steps, iterations, repeats.
pub(crate) const STEPS: u64 = 1_000_000;
/// Temperatures, factors, scales.
pub(crate) const LARGEST: f64 = mosa_engine::LARGEST;

/// A whole number from `first` to `last`.
pub(crate) fn within<T: TryFrom<u64>>(first: u64, last: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(first..=last)
}

/// A number from `low` to `high`; neither NaN nor infinity is one.
pub(crate) fn between(low: f64, high: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
        match (low..=high).contains(&number) {
            true => Ok(number),
            false => Err(format!("it is not in {low}..={high}")),
        }
    }
}
