//! `mosa world` and `mosa quickstart`.

use super::limits::{ROWS, STEPS, between, within};
use super::{Compute, ModelArgs};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldArgs {
    #[command(subcommand)]
    pub what: WorldCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorldCommand {
    /// Write the world's benchmark files, in the formats of the real ones.
    Data(WorldDataArgs),
    /// Train the world's model from nothing.
    Train(WorldTrainArgs),
    /// Measure attack success, prefill and utility, judged exactly.
    Measure(WorldMeasureArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldMeasureArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Run folder; the same command again answers what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Requests per cell.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = within::<usize>(1, 10_000))]
    pub n: usize,
    /// Only cells whose name starts with one of these, for example attack,prefill/20.
    #[arg(long, value_name = "CELLS", value_delimiter = ',')]
    pub cells: Option<Vec<String>>,
    /// Denoising steps for the 96 response positions.
    #[arg(long, value_parser = within::<usize>(1, STEPS), value_name = "N", default_value_t = 96)]
    pub steps: usize,
    /// Positions per block.
    #[arg(long, value_parser = within::<usize>(1, 96), value_name = "N", default_value_t = 32)]
    pub block_length: usize,
    /// Reveal every position at least this probable (Fast-dLLM).
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "P")]
    pub threshold: Option<f64>,
    /// Rows decoded together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = 25)]
    pub batch_size: usize,
    /// Seed of the choice of requests.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldDataArgs {
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldTrainArgs {
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Start from the weights of this checkpoint folder instead of fresh ones: a second stage.
    #[arg(long, value_name = "DIR")]
    pub init: Option<PathBuf>,
    /// Settings file (TOML), for example recipes/world-model.toml.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// A setting, as in `align`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuickstartArgs {
    /// Run folder; the same command again continues there.
    #[arg(long, value_name = "RUN", default_value = "runs/quickstart")]
    pub out: PathBuf,
    /// Throw away what an earlier run left in the folder.
    #[arg(long)]
    pub fresh: bool,
    /// 120 requests per kind and three alignment seeds instead of 40 and one; attacks with their standard profiles on 50
    /// behaviours instead of smoke profiles on 4. Takes more than an hour on 2 cores.
    #[arg(long)]
    pub full: bool,
    /// Requests per kind.
    #[arg(long, value_name = "N", value_parser = within::<usize>(1, 10_000))]
    pub n: Option<usize>,
    /// A setting of the alignments, as in `align`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub compute: Compute,
}
