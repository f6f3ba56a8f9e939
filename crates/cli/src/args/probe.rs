//! `mosa probe`.

use super::limits::{POSITIONS, ROWS, STEPS, within};
use super::{Compute, DefenceArgs, JudgingArgs, ModelArgs, PartArgs, PromptArgs, SamplingArgs, SentenceArgs};
use crate::typed::Line;
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Rows computed together, if nothing else is said.
const BATCH_SIZE: usize = 16;
/// Where words are forced, and where a suffix search puts its phrase.
const PREFILL_OFFSETS: [usize; 7] = [0, 20, 40, 60, 80, 120, 160];
const SEARCH_OFFSETS: [usize; 2] = [0, 30];
/// At which words phrases are ordered.
const STEER_POSITIONS: [usize; 5] = [1, 10, 20, 40, 80];
/// Positions of a proposed window.
const WIDTH: usize = 40;
/// The suffix search of the GCG paper (arXiv 2307.15043), with fewer iterations.
const INIT: &str = "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !";
const ITERATIONS: usize = 100;
const CANDIDATES: usize = 512;
const SEARCH_TOP_K: usize = 256;
const LIKELIHOOD: &str = "first_step";
/// The first step at which a monitor that runs may stop a row.
const MONITOR_FROM: u64 = 4;

/// What is written on the canvas of a request under watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CanvasName {
    /// The beginning of an answer that complies.
    Prefill,
    /// Step labels over the whole response.
    Pad,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
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
    /// How well monitors of the decode tell attacked requests from benign ones.
    Monitor(MonitorArgs),
}

impl ProbeCommand {
    /// The request as a command line; where it is computed is not said.
    pub(crate) fn line(&self) -> serde_json::Result<Line> {
        let usual = ProbeArgs::new(ModelArgs::default(), PathBuf::new(), PathBuf::new());
        match self {
            Self::Prefill(args) => Line::of(&["probe", "prefill"], args, &PrefillArgs::new(usual)),
            Self::Gcg(args) => Line::of(&["probe", "gcg"], args, &GcgArgs::new(usual)),
            Self::Order(args) => Line::of(&["probe", "order"], args, &OrderArgs::new(usual)),
            Self::Steer(args) => Line::of(&["probe", "steer"], args, &SteerArgs::new(usual)),
            Self::Landscape(args) => Line::of(&["probe", "landscape"], args, &LandscapeArgs::new(usual)),
            Self::Monitor(args) => Line::of(&["probe", "monitor"], args, &MonitorArgs::new(usual)),
        }
    }
}

/// What every probe needs.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(skip)]
    pub compute: Compute,
    /// Behaviours, the adversarial prompts: .jsonl, .json or .csv.
    #[arg(long = "prompts", aliases = ["behaviors", "data"], help_heading = "Prompts", value_name = "FILE")]
    #[serde(rename = "prompts")]
    pub behaviors: PathBuf,
    #[command(flatten)]
    #[serde(flatten)]
    pub select: PromptArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub defences: DefenceArgs,
    /// Run folder; the same command again does what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    #[command(flatten)]
    #[serde(flatten)]
    pub parts: PartArgs,
    /// Rows computed together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = BATCH_SIZE)]
    pub batch_size: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct PrefillArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    /// Response offsets at which words are forced.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "OFFSETS", value_delimiter = ',', default_values_t = PREFILL_OFFSETS)]
    pub offsets: Vec<usize>,
    /// Beginnings of compliant answers, one per line; forced at offset 0.
    #[arg(long, value_name = "FILE")]
    pub affirmative: Option<PathBuf>,
    /// Pieces of procedures, one per line; forced everywhere else.
    #[arg(long, value_name = "FILE")]
    pub procedural: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub judge: JudgingArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct GcgArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    /// Response offsets of the phrase.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "OFFSETS", value_delimiter = ',', default_values_t = SEARCH_OFFSETS)]
    pub offsets: Vec<usize>,
    /// The phrase; default: the data's own target, else "Sure, here is how".
    #[arg(long, value_name = "TEXT")]
    pub target: Option<String>,
    /// The suffix to start from.
    #[arg(long, value_name = "TEXT", default_value = INIT)]
    pub init: String,
    /// Iterations; more of them continue an earlier search.
    #[arg(long, value_parser = within::<usize>(0, STEPS), value_name = "N", default_value_t = ITERATIONS)]
    pub iterations: usize,
    /// Candidates per iteration.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = CANDIDATES)]
    pub candidates: usize,
    /// Tokens considered per position.
    #[arg(long, value_parser = within::<usize>(1, u32::MAX.into()), value_name = "N", default_value_t = SEARCH_TOP_K)]
    pub search_top_k: usize,
    /// first_step, or mc(N): the mean over N random reveals of the target.
    #[arg(long, value_name = "NAME", default_value = LIKELIHOOD)]
    pub likelihood: String,
    /// Only tokens of plain ASCII.
    #[arg(long)]
    pub ascii_only: bool,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    /// Benign prompts to compare with.
    #[arg(long, value_name = "FILE")]
    pub benign: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct SteerArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    /// Words at which the phrase is ordered, counted from 1.
    #[arg(long, value_parser = within::<usize>(0, POSITIONS), value_name = "WORDS", value_delimiter = ',', default_values_t = STEER_POSITIONS)]
    pub positions: Vec<usize>,
    /// Phrases, one per line.
    #[arg(long, value_name = "FILE")]
    pub phrases: Option<PathBuf>,
    /// The order, with {behavior}, {phrase} and {position}.
    #[arg(long, value_name = "TEXT")]
    pub template: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct LandscapeArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub sentences: SentenceArgs,
    /// Width of the window to propose.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = WIDTH)]
    pub width: usize,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub common: ProbeArgs,
    /// Benign prompts to tell from.
    #[arg(long, value_name = "FILE")]
    pub benign: Option<PathBuf>,
    /// What is written on the canvas of the harmful prompts, each beside the plain request.
    #[arg(long, value_enum, value_name = "NAMES", value_delimiter = ',', default_values_t = CANVASES)]
    pub attacks: Vec<CanvasName>,
    /// Beginnings of compliant answers for `prefill`, one per line.
    #[arg(long, value_name = "FILE")]
    pub affirmative: Option<PathBuf>,
    /// Words for `pad`, one per line; default: "Step 1:" to "Step 3:".
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// Runs of `mosa attack`: what they sent last for each behaviour is sent again (words written in later steps from the first).
    #[arg(long, value_name = "RUNS", value_delimiter = ',')]
    pub runs: Vec<PathBuf>,
    /// Monitors; default: all of them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub monitors: Vec<String>,
    /// Words of refusal, one per line.
    #[arg(long, value_name = "FILE")]
    pub refusal_words: Option<PathBuf>,
    /// Words of compliance, one per line.
    #[arg(long, value_name = "FILE")]
    pub compliance_words: Option<PathBuf>,
    /// The first step at which a monitor that runs could stop an answer.
    #[arg(long, value_name = "STEP", default_value_t = MONITOR_FROM)]
    pub from: u64,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

const CANVASES: [CanvasName; 2] = [CanvasName::Prefill, CanvasName::Pad];

impl MonitorArgs {
    /// The probe as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        Self {
            common,
            benign: None,
            attacks: CANVASES.to_vec(),
            affirmative: None,
            anchors: None,
            runs: Vec::new(),
            monitors: Vec::new(),
            refusal_words: None,
            compliance_words: None,
            from: MONITOR_FROM,
            sampling: SamplingArgs::default(),
        }
    }
}

impl ProbeArgs {
    /// A probe of a model with the prompts of a file, into a run folder.
    pub(crate) fn new(model: ModelArgs, behaviors: PathBuf, out: PathBuf) -> Self {
        let (compute, select, defences) = (Compute::default(), PromptArgs::default(), DefenceArgs::default());
        let parts = PartArgs::default();
        Self { model, compute, behaviors, select, defences, out, parts, batch_size: BATCH_SIZE }
    }
}

impl PrefillArgs {
    /// The probe as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        Self {
            common,
            offsets: PREFILL_OFFSETS.to_vec(),
            affirmative: None,
            procedural: None,
            judge: JudgingArgs::default(),
            sampling: SamplingArgs::default(),
        }
    }
}

impl GcgArgs {
    /// The search as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        Self {
            common,
            offsets: SEARCH_OFFSETS.to_vec(),
            target: None,
            init: INIT.into(),
            iterations: ITERATIONS,
            candidates: CANDIDATES,
            search_top_k: SEARCH_TOP_K,
            likelihood: LIKELIHOOD.into(),
            ascii_only: false,
            sampling: SamplingArgs::default(),
        }
    }
}

impl OrderArgs {
    /// The probe as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        Self { common, benign: None, sampling: SamplingArgs::default() }
    }
}

impl SteerArgs {
    /// The probe as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        let (positions, sampling) = (STEER_POSITIONS.to_vec(), SamplingArgs::default());
        Self { common, positions, phrases: None, template: None, sampling }
    }
}

impl LandscapeArgs {
    /// The probe as it is if nothing else is said.
    pub(crate) fn new(common: ProbeArgs) -> Self {
        Self { common, sentences: SentenceArgs::default(), width: WIDTH, sampling: SamplingArgs::default() }
    }
}
