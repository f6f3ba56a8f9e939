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

#[cfg(test)]
mod tests {
    use crate::args::Args;
    use clap::Parser;

    /// What a command line that cannot be used is told.
    fn refused(line: &str) -> String {
        let parsed = Args::try_parse_from(["mosa"].into_iter().chain(line.split(' ')));
        parsed.err().map(|e| e.to_string()).unwrap_or_else(|| panic!("{line}: is not refused"))
    }

    #[test]
    fn whole_numbers_beyond_their_bounds_are_refused_with_flag_value_and_bound() {
        let huge = "1000000000000000000";
        for (command, flags) in [
            ("generate --model x --prompt y", "gen-length steps block-length top-k batch-size threads limit sample"),
            (
                "probe gcg --model x --behaviors y --out z",
                "candidates iterations search-top-k offsets batch-size gen-length limit sample",
            ),
            ("probe prefill --model x --behaviors y --out z", "offsets concurrency threads"),
            ("probe steer --model x --behaviors y --out z", "positions"),
            ("probe landscape --model x --behaviors y --out z", "width"),
            ("attack tap --model x --behaviors y --out z", "cases batch-size limit sample concurrency"),
            ("judge x", "concurrency"),
            ("data check x", "near-words"),
            ("world measure --model x --out y", "sample steps block-length batch-size"),
            ("quickstart --out x", "sample threads"),
            ("bench generate --model x", "prompt-length batch-size gen-length"),
            ("bench align --model x", "prompt-length batch-size gen-length rank repeats micro-batch-size"),
            (
                "bench gcg --model x",
                "prompt-length gen-length suffix-length target-length offset candidates batch-size",
            ),
            ("verify x", "threads"),
        ] {
            for flag in flags.split(' ') {
                let told = refused(&format!("{command} --{flag} {huge}"));
                for part in [&format!("--{flag}"), huge, "is not in ", "..="] {
                    assert!(told.contains(part), "{command} --{flag}: {part} is not in {told}");
                }
            }
        }
        assert!(refused("generate --model x --prompt y --force 18446744073709551615:z").contains("more than 1048576"));
        assert!(refused("probe order --model x --behaviors y --out z --batch-size 0").contains("--batch-size"));
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_flag() {
        let numbers = "temperature top-p threshold factor cfg-scale eps alg-temp";
        let lines = numbers.split(' ').flat_map(|flag| {
            ["nan", "inf", "1e300", "-1"]
                .map(|value| (flag, value, format!("generate --model x --prompt y --{flag} {value}")))
        });
        let measure = "world measure --model x --out y --threshold";
        let others = ["nan", "1.5"].map(|value| ("threshold", value, format!("{measure} {value}")));
        for (flag, value, line) in lines.chain(others) {
            let told = refused(&line);
            assert!(told.contains(&format!("--{flag}")) && told.contains(value), "{line}: {told}");
            assert!(told.contains("is not in 0..="), "{line}: {told}");
        }
    }
}
