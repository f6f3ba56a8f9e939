//! `mosa align`.

use super::limits::within;
use super::{Compute, JudgingArgs, ModelArgs, PromptArgs, SentenceArgs};
use crate::typed::Line;
use clap::Args as ClapArgs;
use mosa_data::Columns;
use serde::Serialize;
use std::path::PathBuf;

/// The objective, if nothing else is said.
const OBJECTIVE: &str = "mosa";
/// Seconds that ranks wait for each other.
const RANK_TIMEOUT: u64 = 300;
/// How ranks can talk.
const EXCHANGES: [&str; 2] = ["gloo", "nccl"];

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct AlignArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(skip)]
    pub compute: Compute,
    /// mosa: reward in the middle window; initial: the paper's baseline at offset 0; sft: masked fine-tuning on the
    /// answers of the data; a2d-eos: harmful answers end wherever they are masked; vrpo: preference of safe answers over harmful
    /// ones; recovery: safe endings behind part of a harmful answer are rewarded, as --judge says.
    #[arg(long, value_name = "NAME", value_parser = mosa_align::OBJECTIVES, default_value = OBJECTIVE)]
    pub objective: String,
    /// Prompts to align on: .jsonl, .json or .csv; SORRY-Bench's and other benchmarks' files are read as they are.
    #[arg(long = "prompts", aliases = ["behaviors", "data"], help_heading = "Prompts", value_name = "FILE")]
    #[serde(rename = "prompts")]
    pub data: PathBuf,
    #[command(flatten)]
    #[serde(flatten)]
    pub select: PromptArgs,
    /// Harmless prompts on which the model has to stay what it was (settings: retain.*).
    #[arg(long, help_heading = "Prompts", value_name = "FILE")]
    pub retain: Option<PathBuf>,
    /// Safe answers to the prompts, found by their ids (a2d-eos, vrpo); default: sentences of --safe-sentences. May be the file of
    /// the prompts, with another column for the answer.
    #[arg(long, help_heading = "Prompts", value_name = "FILE")]
    pub safe_answers: Option<PathBuf>,
    /// Columns of that file, e.g. response=chosen.
    #[arg(long, help_heading = "Prompts", value_name = "MAP", value_parser = Columns::parse, requires = "safe_answers")]
    #[serde(skip)]
    pub safe_columns: Option<Columns>,
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// A setting: steps, epochs, batch_size, lr, beta, clip, window, canvas_length, seed, lora.r, lora.alpha, ...
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random draw; the setting `seed`.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub sentences: SentenceArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub judging: JudgingArgs,
    /// Ranks that torchrun, srun or mpirun started: seconds that one waits for the others before the run ends.
    #[arg(long, help_heading = "Ranks", value_name = "SECONDS", env = "MOSA_RANK_TIMEOUT", default_value_t = RANK_TIMEOUT)]
    #[arg(value_parser = within::<u64>(1, 604_800))]
    #[serde(skip)]
    pub rank_timeout: u64,
    /// How ranks add up gradients: gloo over TCP, in main memory; or nccl between GPUs.
    #[arg(long, help_heading = "Ranks", value_name = "NAME", value_parser = EXCHANGES, default_value = EXCHANGES[0])]
    #[serde(skip)]
    pub exchange: String,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
}

impl AlignArgs {
    /// An alignment of a model with the prompts of a file, into a run folder.
    pub(crate) fn new(model: ModelArgs, data: PathBuf, out: PathBuf) -> Self {
        Self {
            model,
            compute: Compute::default(),
            objective: OBJECTIVE.into(),
            data,
            select: PromptArgs::default(),
            retain: None,
            safe_answers: None,
            safe_columns: None,
            out,
            config: None,
            set: Vec::new(),
            seed: None,
            sentences: SentenceArgs::default(),
            judging: JudgingArgs::default(),
            rank_timeout: RANK_TIMEOUT,
            exchange: EXCHANGES[0].into(),
            json: false,
        }
    }

    /// The request as a command line; where it is computed is not said.
    pub(crate) fn line(&self) -> serde_json::Result<Line> {
        Line::of(&["align"], self, &Self::new(ModelArgs::default(), PathBuf::new(), PathBuf::new()))
    }

    /// The settings that are given by hand, `seed` among them.
    pub(crate) fn settings(&self) -> Vec<String> {
        self.set.iter().cloned().chain(self.seed.map(|seed| format!("seed={seed}"))).collect()
    }
}
