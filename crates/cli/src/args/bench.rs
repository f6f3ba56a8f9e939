//! `mosa bench`.

use super::limits::{POSITIONS, ROWS, STEPS, within};
use super::values::parsed;
use super::{Compute, SamplingArgs};
use clap::{Args as ClapArgs, Subcommand};
use mosa_model::DtypeChoice;
use mosa_probe::gcg::GcgSettings;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub what: BenchCommand,
}

#[derive(Debug, Subcommand)]
// Made once per process.
#[allow(clippy::large_enum_variant)]
pub(crate) enum BenchCommand {
    /// Decoding speed on random prompts.
    Generate(BenchGenerateArgs),
    /// Speed and memory of an alignment step on random prompts.
    Align(BenchAlignArgs),
    /// Speed and memory of an iteration of the suffix search (GCG) on a random prompt.
    Gcg(BenchGcgArgs),
}

/// What to measure on, and what every measurement has.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchModelArgs {
    /// Checkpoint folder (tokeniser not needed).
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub model: Option<PathBuf>,
    /// Random weights of the model this config.json describes.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub config: Option<PathBuf>,
    /// In what the random weights are stored; by default what `--dtype` says, else f32.
    #[arg(long, value_name = "TYPE", conflicts_with = "model", value_parser = parsed::<DtypeChoice>(["f32", "bf16"]))]
    pub stored: Option<DtypeChoice>,
    /// Prompt tokens per row; of the suffix search's, the last ones are the suffix.
    #[arg(long = "prompt-length", alias = "prompt-len", value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 64)]
    pub prompt_len: usize,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchAlignArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    /// Response positions.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 128)]
    pub gen_length: usize,
    /// Prompts per step.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 4)]
    pub batch_size: usize,
    /// Prompts per pass; 0: all.
    #[arg(long, value_parser = within::<usize>(0, ROWS), value_name = "N", default_value_t = 0)]
    pub micro_batch_size: usize,
    /// Rank of the adapter.
    #[arg(long, value_parser = within::<usize>(1, mosa_align::MOST_RANK as u64), value_name = "N", default_value_t = 32)]
    pub rank: usize,
    /// First and last offset of the window.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "FIRST,LAST", value_delimiter = ',', num_args = 2, default_values_t = [20, 60])]
    pub window: Vec<usize>,
    /// Timed steps, after one to warm up.
    #[arg(long, value_parser = within::<usize>(1, STEPS), value_name = "N", default_value_t = 3)]
    pub repeats: usize,
    /// Seed of prompts and weights.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchGcgArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    /// Response positions.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 128)]
    pub gen_length: usize,
    /// Tokens of the suffix.
    #[arg(long = "suffix-length", alias = "suffix-len", value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 20)]
    pub suffix_len: usize,
    /// Tokens of the target phrase.
    #[arg(long = "target-length", alias = "target-len", value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 10)]
    pub target_len: usize,
    /// Response offset of the target phrase.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "N", default_value_t = 30)]
    pub offset: usize,
    /// Candidates per iteration.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 64)]
    pub candidates: usize,
    /// Rows computed together.
    #[arg(long = "batch-size", alias = "rows-per-pass", value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = GcgSettings::default().rows_per_pass)]
    pub rows_per_pass: usize,
    /// Add prompt, target, candidates and their losses to the JSON.
    #[arg(long)]
    pub tokens: bool,
    /// Seed of prompt and candidates.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchGenerateArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    /// Rows.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 1)]
    pub batch_size: usize,
    /// Add prompt and response ids to the JSON.
    #[arg(long)]
    pub tokens: bool,
    /// Decode so many more times with all monitors and so many without, in turns, and report the ratios of the seconds.
    #[arg(long, value_parser = within::<usize>(0, 1000), value_name = "PAIRS", default_value_t = 0)]
    pub monitors: usize,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}
