//! The command line as it is typed: one file per group of commands; what several share is here.

mod align;
mod attack;
mod bench;
mod data;
mod defences;
mod endpoint;
mod generate;
mod help;
mod judge;
pub(crate) mod limits;
mod list;
mod parts;
mod probe;
mod prompts;
mod records;
mod reproduce;
mod sampling;
mod serve;
mod shell;
#[cfg(test)]
mod spellings;
mod tools;
mod utility;
mod values;
mod world;

pub(crate) use align::*;
pub(crate) use attack::*;
pub(crate) use bench::*;
pub(crate) use data::*;
pub(crate) use defences::*;
pub(crate) use endpoint::*;
pub(crate) use generate::*;
pub(crate) use help::{command, parse};
pub(crate) use judge::*;
pub(crate) use list::*;
pub(crate) use parts::*;
pub(crate) use probe::*;
pub(crate) use prompts::*;
pub(crate) use records::*;
pub(crate) use reproduce::*;
pub(crate) use sampling::*;
pub(crate) use serve::*;
pub(crate) use shell::*;
pub(crate) use tools::*;
pub(crate) use utility::*;
pub(crate) use world::*;

use clap::{Args as ClapArgs, Parser, Subcommand};
use limits::{THREADS, within};
use mosa_model::{DeviceChoice, DtypeChoice, WeightsChoice};
use serde::Serialize;
use std::path::PathBuf;
use values::{TemplateArguments, parsed};

/// Safety toolkit for masked diffusion language models: generate, align, measure.
#[derive(Debug, Parser)]
#[command(name = "mosa", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer prompts by iterative unmasking.
    Generate(Box<GenerateArgs>),
    /// Answer over HTTP as OpenAI's API does, with a playground.
    Serve(Box<ServeArgs>),
    /// Train a LoRA adapter that makes the model refuse in its middle tokens.
    Align(Box<AlignArgs>),
    /// Show architecture, ids, parameters and LoRA targets of a checkpoint.
    Inspect(InspectArgs),
    /// Check the engine against folders of golden numbers.
    Verify(VerifyArgs),
    /// Write a checkpoint whose weights include an adapter.
    Merge(MergeArgs),
    /// Measure speed and peak memory.
    Bench(Box<BenchArgs>),
    /// Say what this machine offers, and how to get what is missing.
    Doctor(DoctorArgs),
    /// Find out where a model is unsafe: prefill, order, suffix search, steering, landscape.
    #[command(subcommand)]
    Probe(Box<ProbeCommand>),
    /// Attack a model with a published red-team method, to measure how well it holds.
    Attack(Box<AttackArgs>),
    /// Measure what a model can do: GSM8K, MMLU, HumanEval, XSTest, or a task file of one's own.
    Utility(Box<UtilityArgs>),
    /// Make what defences need.
    #[command(subcommand)]
    Defence(DefenceCommand),
    /// Judge the answers of a run; the model is not asked again.
    Judge(JudgeArgs),
    /// Draw the records of runs as one HTML page.
    Report(ReportArgs),
    /// Record files: put the parts of a run together.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// Benchmark files: check them, exchange attack artifacts with HarmBench and JailbreakBench.
    #[command(subcommand)]
    Data(Box<DataCommand>),
    /// The embedded world: its files, and the model trained on it.
    World(WorldArgs),
    /// The paper's argument, measured on the model that comes with mosa.
    Quickstart(QuickstartArgs),
    /// The whole paper on real weights, as one command that can be killed and goes on.
    Reproduce(Box<ReproduceArgs>),
    /// What can be named on the command line: attacks, defences, judges, objectives, commit policies, probes, tasks.
    List(ListArgs),
    /// Write the completions of a shell to stdout.
    Completions(CompletionsArgs),
    /// Write the manual pages: to stdout, or one file per command.
    Man(ManArgs),
    /// Carry out the command lines that another mosa sends.
    #[command(hide = true)]
    CarryOut,
}

/// Where and how to compute.
#[derive(Clone, Debug, PartialEq, ClapArgs)]
#[command(next_help_heading = "Computing")]
pub(crate) struct Compute {
    /// Where to compute; auto takes a GPU if there is one.
    #[arg(long, default_value = "auto", value_parser = parsed::<DeviceChoice>(["auto", "cpu", "cuda:0", "mps"]))]
    pub device: DeviceChoice,
    /// In what to compute; auto is as stored, but f32 on CPUs without units for bf16. In f32, weights that are stored
    /// narrower stay so and are widened for every product.
    #[arg(long, default_value = "auto", value_parser = parsed::<DtypeChoice>(["auto", "f32", "bf16"]))]
    pub dtype: DtypeChoice,
    /// How weights are held: as stored, or rounded to int8 with a scale per row, for half the memory of bf16 (CPU).
    #[arg(long, default_value = "stored", value_parser = parsed::<WeightsChoice>(["stored", "int8"]))]
    pub weights: WeightsChoice,
    /// CPU threads; default: all.
    #[arg(long, value_parser = within::<usize>(1, THREADS), value_name = "N")]
    pub threads: Option<usize>,
    /// What the model's chat template is told beside the conversation, as JSON, for example '{"enable_thinking": false}'.
    #[arg(long, value_name = "JSON", value_parser = parsed::<TemplateArguments>([]))]
    pub chat_template_kwargs: Option<TemplateArguments>,
    /// No progress and no notes on stderr.
    #[arg(long)]
    pub quiet: bool,
}

/// Which model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Checkpoint folder, or a Hugging Face hub id: owner/name, or owner/name@revision (branch, tag or commit).
    #[arg(long, value_name = "DIR")]
    pub model: String,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}

impl Compute {
    /// The flags in which it differs from the usual one, word by word.
    pub(crate) fn words(&self) -> serde_json::Result<Vec<String>> {
        let usual = Self::default();
        let template = self.chat_template_kwargs.as_ref().map(serde_json::to_string).transpose()?;
        let flags = [
            ("--device", (self.device != usual.device).then(|| self.device.to_string())),
            ("--dtype", (self.dtype != usual.dtype).then(|| self.dtype.to_string())),
            ("--weights", (self.weights != usual.weights).then(|| self.weights.name().to_owned())),
            ("--threads", self.threads.map(|threads| threads.to_string())),
            ("--chat-template-kwargs", template),
        ];
        let words = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?])).flatten();
        Ok(words.chain(self.quiet.then(|| "--quiet".to_owned())).collect())
    }
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            dtype: DtypeChoice::Auto,
            weights: WeightsChoice::Stored,
            threads: None,
            chat_template_kwargs: None,
            quiet: false,
        }
    }
}
