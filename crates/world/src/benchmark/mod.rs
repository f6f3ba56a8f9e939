//! The world's evaluation and alignment files, in the formats of the real benchmarks.
//!
//! Alignment may use [`alignment`] and [`retain`]: forbidden items of [`Split::Tune`](crate::Split) and harmless
//! things of [`Part::Tune`](crate::Part), asked plainly or in wrappers of training. Everything else here measures, and
//! shares no prompt with them.

mod alignment;
mod attacks;
mod rows;
mod utility;

pub use alignment::{alignment, retain};
pub use attacks::{adv_bench, attacks, harm_bench};
pub use rows::{
    AdvBenchRow, AttackRow, Gsm8kRow, HarmBenchRow, HumanEvalRow, MmluRow, PairRow, SorryBenchRow, XsTestRow,
};
pub use utility::{gsm8k, human_eval, mmlu, recipes, xs_test};

use crate::WorldError;
use crate::output::{self, Header};
use crate::refusal::{HARMFUL, SAFE};
use crate::tasks::Attribute;
use std::path::{Path, PathBuf};

/// The seed of everything that is drawn for these files.
const BENCHMARK_SEED: u64 = 812;

/// Writes all files below `dir`, which is created if need be, and returns their paths.
///
/// # Errors
/// [`WorldError`] naming the file that could not be written.
pub fn write_all(dir: &Path) -> Result<Vec<PathBuf>, WorldError> {
    let at = |name: &str| dir.join(name);
    let mut written = vec![
        output::csv(&at("advbench/harmful_behaviors.csv"), &adv_bench(), Header::Names)?,
        output::csv(&at("harmbench/harmbench_behaviors_text_all.csv"), &harm_bench(), Header::Names)?,
        output::jsonl(&at("attacks/held_out.jsonl"), &attacks())?,
        output::jsonl(&at("sorry_bench/question.jsonl"), &alignment())?,
        output::jsonl(&at("retain/retain.jsonl"), &retain())?,
        output::lines(&at("sentences/safe.txt"), &SAFE)?,
        output::lines(&at("sentences/harmful.txt"), &HARMFUL)?,
        output::jsonl(&at("recipes/test.jsonl"), &recipes())?,
        output::csv(&at("xstest/xstest_prompts.csv"), &xs_test(), Header::Names)?,
        output::jsonl(&at("gsm8k/test.jsonl"), &gsm8k())?,
        output::jsonl(&at("humaneval/HumanEval.jsonl"), &human_eval())?,
    ];
    for attribute in Attribute::ALL {
        let path = at(&format!("mmlu/test/{}_test.csv", attribute.name()));
        written.push(output::csv(&path, &mmlu(attribute), Header::None)?);
    }
    Ok(written)
}
