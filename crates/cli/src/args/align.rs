//! `mosa align`.

use super::{Compute, ModelArgs, PromptArgs, SentenceArgs};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct AlignArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// mosa: reward in the middle window; initial: the paper's baseline at offset 0; sft: masked fine-tuning on the
    /// answers of the data.
    #[arg(long, value_name = "NAME", value_parser = mosa_align::OBJECTIVES, default_value = "mosa")]
    pub objective: String,
    /// Prompts to align on: .jsonl, .json or .csv; SORRY-Bench's and other benchmarks' files are read as they are.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    #[command(flatten)]
    pub select: PromptArgs,
    /// Harmless prompts on which the model has to stay what it was (settings: retain.*).
    #[arg(long, value_name = "FILE")]
    pub retain: Option<PathBuf>,
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// A setting: steps, epochs, batch_size, lr, beta, clip, window, canvas_length, seed, lora.r, lora.alpha, ...
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub sentences: SentenceArgs,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
}
