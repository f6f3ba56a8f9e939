//! `mosa probe`.

use super::limits::{POSITIONS, ROWS, STEPS, within};
use super::{Compute, JudgingArgs, ModelArgs, PromptArgs, SamplingArgs, SentenceArgs};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ProbeCommand {
    /// Attack success when words are forced at an offset of the answer.
    Prefill(PrefillArgs),
    /// Search suffixes that put a phrase at an offset of the answer (white box).
    Gcg(GcgArgs),
    /// In which order answers are revealed.
    Order(OrderArgs),
    /// Whether a prompt can order a phrase at the k-th word.
    Steer(SteerArgs),
    /// Where on the canvas refusals and harmful sentences fit best.
    Landscape(LandscapeArgs),
}

impl ProbeCommand {
    /// What every probe has.
    pub(crate) fn common_mut(&mut self) -> &mut ProbeArgs {
        match self {
            Self::Prefill(args) => &mut args.common,
            Self::Gcg(args) => &mut args.common,
            Self::Order(args) => &mut args.common,
            Self::Steer(args) => &mut args.common,
            Self::Landscape(args) => &mut args.common,
        }
    }
}

/// What every probe needs.
#[derive(Debug, ClapArgs)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Behaviours, the adversarial prompts: .jsonl, .json or .csv.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    #[command(flatten)]
    pub select: PromptArgs,
    /// Run folder; the same command again does what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Rows computed together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 16)]
    pub batch_size: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PrefillArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Response offsets at which words are forced.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "OFFSETS", value_delimiter = ',', default_values_t = [0, 20, 40, 60, 80, 120, 160])]
    pub offsets: Vec<usize>,
    /// Beginnings of compliant answers, one per line; forced at offset 0.
    #[arg(long, value_name = "FILE")]
    pub affirmative: Option<PathBuf>,
    /// Pieces of procedures, one per line; forced everywhere else.
    #[arg(long, value_name = "FILE")]
    pub procedural: Option<PathBuf>,
    #[command(flatten)]
    pub judge: JudgingArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GcgArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Response offsets of the phrase.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "OFFSETS", value_delimiter = ',', default_values_t = [0, 30])]
    pub offsets: Vec<usize>,
    /// The phrase; default: the data's own target, else "Sure, here is how".
    #[arg(long, value_name = "TEXT")]
    pub target: Option<String>,
    /// The suffix to start from.
    #[arg(long, value_name = "TEXT", default_value = "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !")]
    pub init: String,
    /// Iterations; more of them continue an earlier search.
    #[arg(long, value_parser = within::<usize>(0, STEPS), value_name = "N", default_value_t = 100)]
    pub iterations: usize,
    /// Candidates per iteration.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 512)]
    pub candidates: usize,
    /// Tokens considered per position.
    #[arg(long, value_parser = within::<usize>(1, u32::MAX.into()), value_name = "N", default_value_t = 256)]
    pub search_top_k: usize,
    /// first_step, or mc(N): the mean over N random reveals of the target.
    #[arg(long, value_name = "NAME", default_value = "first_step")]
    pub likelihood: String,
    /// Only tokens of plain ASCII.
    #[arg(long)]
    pub ascii_only: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Benign prompts to compare with.
    #[arg(long, value_name = "FILE")]
    pub benign: Option<PathBuf>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SteerArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Words at which the phrase is ordered, counted from 1.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "WORDS", value_delimiter = ',', default_values_t = [1, 10, 20, 40, 80])]
    pub positions: Vec<usize>,
    /// Phrases, one per line.
    #[arg(long, value_name = "FILE")]
    pub phrases: Option<PathBuf>,
    /// The order, with {behavior}, {phrase} and {position}.
    #[arg(long, value_name = "TEXT")]
    pub template: Option<String>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LandscapeArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    #[command(flatten)]
    pub sentences: SentenceArgs,
    /// Width of the window to propose.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 40)]
    pub width: usize,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}
