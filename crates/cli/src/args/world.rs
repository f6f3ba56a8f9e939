//! `mosa world` and `mosa quickstart`.

use super::limits::{ROWS, within};
use super::{Compute, DefenceArgs, ModelArgs, ProfileName, SamplingArgs};
use crate::typed::Line;
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Requests per cell, and rows decoded together, if nothing else is said.
const REQUESTS: usize = 100;
const BATCH_SIZE: usize = 25;

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
    Measure(Box<WorldMeasureArgs>),
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(
    mut_arg("gen_length", |a| a.help("Response positions; default: 96")),
    mut_arg("block_length", |a| a.help("Positions per block; default: 32")),
    mut_arg("seed", |a| a.help("Seed of the choice of requests, and of every random draw")),
    mut_arg("batching", |a| a.help("How rows share passes, as in `generate`; auto: padded, as the model is small"))
)]
pub(crate) struct WorldMeasureArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(skip)]
    pub compute: Compute,
    /// Run folder; the same command again answers what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Requests per cell.
    #[serde(rename = "sample")]
    #[arg(long = "sample", alias = "n", value_name = "N", default_value_t = REQUESTS, value_parser = within::<usize>(1, 10_000))]
    pub n: usize,
    /// Only cells whose name starts with one of these, for example attack,prefill/20.
    #[arg(long, value_name = "CELLS", value_delimiter = ',')]
    pub cells: Option<Vec<String>>,
    /// Rows decoded together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = BATCH_SIZE)]
    pub batch_size: usize,
    #[command(flatten)]
    #[serde(flatten)]
    pub defences: DefenceArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

impl WorldMeasureArgs {
    /// A measurement as it is if nothing else is said.
    pub(crate) fn new(model: ModelArgs, out: PathBuf) -> Self {
        Self {
            model,
            compute: Compute::default(),
            out,
            n: REQUESTS,
            cells: None,
            batch_size: BATCH_SIZE,
            defences: DefenceArgs::default(),
            sampling: SamplingArgs::default(),
        }
    }

    /// The request as a command line; where it is computed is not said.
    pub(crate) fn line(&self) -> serde_json::Result<Line> {
        Line::of(&["world", "measure"], self, &Self::new(ModelArgs::default(), PathBuf::new()))
    }
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
    /// Seed of every random draw; the setting `seed`.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

impl WorldTrainArgs {
    /// The settings that are given by hand, `seed` among them.
    pub(crate) fn settings(&self) -> Vec<String> {
        self.set.iter().cloned().chain(self.seed.map(|seed| format!("seed={seed}"))).collect()
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuickstartArgs {
    /// Run folder; the same command again continues there.
    #[arg(long, value_name = "RUN", default_value = "runs/quickstart")]
    pub out: PathBuf,
    /// Throw away what an earlier run left in the folder.
    #[arg(long)]
    pub fresh: bool,
    /// All arms and attacks, three alignment seeds instead of one, 100 requests of each kind and of each attack instead of 24 and 12.
    /// Hours on 2 cores; as many jobs run at once as there are.
    #[arg(long)]
    pub full: bool,
    /// Requests of each kind and of each attack.
    #[arg(long = "sample", alias = "n", value_name = "N", value_parser = within::<usize>(1, 10_000))]
    pub n: Option<usize>,
    /// Only these arms, beside original and mosa-sum, for example initial,recovery,mosa-plus.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub arms: Vec<String>,
    /// How much each attack may take: a profile, as in `attack`.
    #[arg(long, value_enum, default_value_t = ProfileName::Smoke)]
    pub profile: ProfileName,
    /// A setting of the alignments, as in `align`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub compute: Compute,
}
