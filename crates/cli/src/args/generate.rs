//! `mosa generate`.

use super::limits::{POSITIONS, ROWS, within};
use super::{Compute, DefenceArgs, ModelArgs, PartArgs, PromptArgs, SamplingArgs};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub defences: DefenceArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// One prompt.
    #[arg(
        long,
        help_heading = "Prompts",
        value_name = "TEXT",
        conflicts_with = "prompts",
        required_unless_present = "prompts"
    )]
    pub prompt: Option<String>,
    /// Prompt file: .jsonl or .json rows with `prompt` or `messages` (and `id`), or .csv; benchmarks are recognised.
    #[arg(long, aliases = ["behaviors", "data"], help_heading = "Prompts", value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    #[command(flatten)]
    pub select: PromptArgs,
    /// Write these words into the response at this offset before the first step; may be given several times.
    #[arg(long, value_name = "OFFSET:TEXT", value_parser = parse_force)]
    pub force: Vec<(usize, String)>,
    /// Masks in a prompt, as words or in rows with `ids`, are gaps to fill; without this they are refused.
    #[arg(long)]
    pub infill: bool,
    /// Rows decoded together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 8)]
    pub batch_size: usize,
    /// Run folder for the answers, which are judged and drawn like those of a probe; the same command again does what is
    /// missing. Without it they are printed.
    #[arg(long, value_name = "RUN", requires = "prompts", conflicts_with_all = ["prompt", "json", "trace", "infill"])]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub parts: PartArgs,
    /// Write one JSON line per decoding step.
    #[arg(long, value_name = "FILE.jsonl")]
    pub trace: Option<PathBuf>,
    /// One JSON object per prompt on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

fn parse_force(text: &str) -> Result<(usize, String), String> {
    let (offset, words) = text.split_once(':').ok_or_else(|| format!("{text:?} is not OFFSET:TEXT"))?;
    let offset = offset.trim().parse().map_err(|_| format!("{offset:?} is not a response offset"))?;
    if offset as u64 > POSITIONS {
        return Err(format!("offset {offset} is more than {POSITIONS}"));
    }
    if words.is_empty() { Err("the text to force is empty".into()) } else { Ok((offset, words.to_owned())) }
}
