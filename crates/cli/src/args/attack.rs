//! `mosa attack`.

use super::limits::{ROWS, THREADS, within};
use super::values::parsed;
use super::{Compute, DefenceArgs, EndpointArgs, JudgingArgs, PartArgs, SamplingArgs, SelectArgs};
use crate::typed::Line;
use clap::{Args as ClapArgs, ValueEnum};
use mosa_attack::ATTACKS;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Answers decoded together, and behaviours under way at the same time, if nothing else is said.
const BATCH_SIZE: usize = 16;
const CASES: usize = 16;

#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(
    mut_arg("gen_length", |a| a.help("Response positions, and the most an attack gets; default: what it asks for, else 256")),
    mut_arg("block_length", |a| a.help("Positions per block (block sampler); default: 32"))
)]
pub(crate) struct AttackArgs {
    /// The attack; `mosa list attacks` says which there are, `mosa attack list` what they need and what they cost.
    #[arg(value_parser = parsed::<String>(ATTACKS.iter().map(|attack| attack.name)), hide_possible_values = true)]
    #[serde(skip)]
    pub name: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub defences: DefenceArgs,
    #[command(flatten)]
    #[serde(skip)]
    pub compute: Compute,
    /// Behaviours: AdvBench, HarmBench, StrongREJECT, JailbreakBench, SORRY-Bench, or any .csv, .json or .jsonl.
    #[arg(long = "prompts", aliases = ["behaviors", "data"], help_heading = "Prompts", value_name = "FILE")]
    #[serde(rename = "prompts")]
    pub behaviors: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub select: SelectArgs,
    /// Whole answers that comply, for attacks that write or aim at them (anchoring, first-step-gcg): a JSON object of
    /// answers by behaviour id. Default: the prompts' own column `response`.
    #[arg(long, value_name = "FILE.json", help_heading = "Prompts")]
    pub references: Option<PathBuf>,
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub parts: PartArgs,
    /// Attack those behaviours again that broke off, from the call that failed on: an endpoint was away, a budget of it used up.
    #[arg(long, conflicts_with = "join")]
    pub retry: bool,
    /// How much the attack may take.
    #[arg(long, value_enum, default_value_t = ProfileName::Standard)]
    pub profile: ProfileName,
    /// A parameter of the attack, as `mosa attack list` shows them.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub helpers: HelperArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub judging: JudgingArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

/// What is attacked.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// Checkpoint folder, or a Hugging Face hub id.
    #[arg(long, value_name = "DIR", conflicts_with = "endpoint")]
    pub model: Option<String>,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub adapter: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    pub endpoint: EndpointArgs,
    /// Checkpoint that proposes suffixes for pal and ral (their proxy; the target itself if absent), and words for adv-prefix
    /// with --set guided=true.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub proxy: Option<String>,
    /// What the target is called in reports.
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Answers decoded together.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N", default_value_t = BATCH_SIZE)]
    pub batch_size: usize,
}

/// Who helps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Helper models")]
pub(crate) struct HelperArgs {
    /// world: rules in the language of the embedded world; target: the model under attack itself.
    #[arg(long, value_enum, conflicts_with_all = ["helper_endpoint", "helper_checkpoint"])]
    pub helper: Option<HelperName>,
    /// Checkpoint in this process that helps: a folder or a hub id.
    #[arg(long, value_name = "DIR", conflicts_with = "helper_endpoint")]
    pub helper_checkpoint: Option<String>,
    /// OpenAI-compatible endpoint of the helper models.
    #[arg(long, value_name = "URL", requires = "helper_model")]
    pub helper_endpoint: Option<String>,
    /// Helper model at the endpoint.
    #[arg(long, value_name = "NAME")]
    pub helper_model: Option<String>,
    /// Helpers by role: a list `helper` of tables with `roles` ("tap/judge", "tap/*" or "*") and either `endpoint` or `model`
    /// (a checkpoint in this process); the first that fits.
    #[arg(long, value_name = "FILE.toml")]
    pub helpers: Option<PathBuf>,
}

/// What each behaviour may use.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Limits per behaviour")]
pub(crate) struct LimitArgs {
    /// Answers and scores of the target.
    #[arg(long, value_name = "N")]
    pub max_queries: Option<u64>,
    /// Calls of helper models.
    #[arg(long, value_name = "N")]
    pub max_helper_calls: Option<u64>,
    /// Model calls of the target.
    #[arg(long, value_name = "N")]
    pub max_forwards: Option<u64>,
    /// Behaviours under way at the same time.
    #[arg(long, value_parser = within::<usize>(1, THREADS), value_name = "N", default_value_t = CASES)]
    pub cases: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProfileName {
    Paper,
    #[default]
    Standard,
    Smoke,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HelperName {
    World,
    Target,
}

impl AttackArgs {
    /// An attack as it is if nothing else is said.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            target: TargetArgs::default(),
            defences: DefenceArgs::default(),
            compute: Compute::default(),
            behaviors: None,
            select: SelectArgs::default(),
            references: None,
            out: None,
            parts: PartArgs::default(),
            retry: false,
            profile: ProfileName::default(),
            set: Vec::new(),
            helpers: HelperArgs::default(),
            limits: LimitArgs::default(),
            judging: JudgingArgs::default(),
            sampling: SamplingArgs::default(),
        }
    }

    /// The request as a command line; where it is computed is not said.
    pub(crate) fn line(&self) -> serde_json::Result<Line> {
        Line::of(&["attack", &self.name], self, &Self::new(""))
    }
}

impl Default for TargetArgs {
    fn default() -> Self {
        Self {
            model: None,
            adapter: None,
            endpoint: EndpointArgs::default(),
            proxy: None,
            label: None,
            batch_size: BATCH_SIZE,
        }
    }
}

impl Default for LimitArgs {
    fn default() -> Self {
        Self { max_queries: None, max_helper_calls: None, max_forwards: None, cases: CASES }
    }
}
