//! The world's evaluation and alignment files, in the formats of the real benchmarks.
//!
//! Alignment may use [`alignment`], [`retain`] and, of both, [`fine_tuning`]: forbidden items of [`Split::Tune`](crate::Split) and harmless
//! things of [`Part::Tune`](crate::Part), asked plainly or in wrappers of training. Monitors and other defences may be
//! fitted on [`guard`] and [`guard_benign`], which have items and wrappers of their own. Everything else here measures, and
//! shares no prompt with any of them; attacks share no item either.

mod alignment;
mod attacks;
mod rows;
mod utility;

pub use alignment::{alignment, fine_tuning, guard, guard_benign, retain};
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

/// The names of the files that [`write_all`] writes.
pub fn names() -> Vec<String> {
    let subjects = Attribute::ALL.map(|attribute| format!("mmlu/test/{}_test.csv", attribute.name()));
    NAMES.map(str::to_owned).into_iter().chain(subjects).collect()
}

const NAMES: [&str; 14] = [
    "advbench/harmful_behaviors.csv",
    "harmbench/harmbench_behaviors_text_all.csv",
    "attacks/held_out.jsonl",
    "sorry_bench/question.jsonl",
    "retain/retain.jsonl",
    "sentences/safe.txt",
    "sentences/harmful.txt",
    "recipes/test.jsonl",
    "xstest/xstest_prompts.csv",
    "gsm8k/test.jsonl",
    "humaneval/HumanEval.jsonl",
    "guard/question.jsonl",
    "guard/benign.jsonl",
    "sft/train.jsonl",
];

/// Writes all files below `dir`, which is created if need be, and returns their paths.
///
/// # Errors
/// [`WorldError`] naming the file that could not be written, or that holds something else.
pub fn write_all(dir: &Path) -> Result<Vec<PathBuf>, WorldError> {
    let mut written = vec![
        output::csv(&dir.join(NAMES[0]), &adv_bench(), Header::Names)?,
        output::csv(&dir.join(NAMES[1]), &harm_bench(), Header::Names)?,
        output::jsonl(&dir.join(NAMES[2]), &attacks())?,
        output::jsonl(&dir.join(NAMES[3]), &alignment())?,
        output::jsonl(&dir.join(NAMES[4]), &retain())?,
        output::lines(&dir.join(NAMES[5]), &SAFE)?,
        output::lines(&dir.join(NAMES[6]), &HARMFUL)?,
        output::jsonl(&dir.join(NAMES[7]), &recipes())?,
        output::csv(&dir.join(NAMES[8]), &xs_test(), Header::Names)?,
        output::jsonl(&dir.join(NAMES[9]), &gsm8k())?,
        output::jsonl(&dir.join(NAMES[10]), &human_eval())?,
        output::jsonl(&dir.join(NAMES[11]), &guard())?,
        output::jsonl(&dir.join(NAMES[12]), &guard_benign())?,
        output::jsonl(&dir.join(NAMES[13]), &fine_tuning())?,
    ];
    for attribute in Attribute::ALL {
        let path = dir.join(format!("mmlu/test/{}_test.csv", attribute.name()));
        written.push(output::csv(&path, &mmlu(attribute), Header::None)?);
    }
    Ok(written)
}
