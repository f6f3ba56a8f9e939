//! The command line as it is typed: one file per group of commands; what several share is here.

mod align;
mod attack;
mod bench;
mod data;
mod generate;
mod judge;
pub(crate) mod limits;
mod probe;
mod prompts;
mod sampling;
mod tools;
mod world;

pub(crate) use align::*;
pub(crate) use attack::*;
pub(crate) use bench::*;
pub(crate) use data::*;
pub(crate) use generate::*;
pub(crate) use judge::*;
pub(crate) use probe::*;
pub(crate) use prompts::*;
pub(crate) use sampling::*;
pub(crate) use tools::*;
pub(crate) use world::*;

use clap::{Args as ClapArgs, Parser, Subcommand};
use limits::{THREADS, within};
use mosa_model::{DeviceChoice, DtypeChoice};
use std::path::PathBuf;

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
    /// Train a LoRA adapter that makes the model refuse in its middle tokens.
    Align(AlignArgs),
    /// Show architecture, ids, parameters and LoRA targets of a checkpoint.
    Inspect(InspectArgs),
    /// Check the engine against folders of golden numbers.
    Verify(VerifyArgs),
    /// Write a checkpoint whose weights include an adapter.
    Merge(MergeArgs),
    /// Measure speed and peak memory.
    Bench(BenchArgs),
    /// Say what this machine offers, and how to get what is missing.
    Doctor(DoctorArgs),
    /// Find out where a model is unsafe: prefill, order, suffix search, steering, landscape.
    #[command(subcommand)]
    Probe(Box<ProbeCommand>),
    /// Attack a model with a published red-team method, to measure how well it holds.
    Attack(Box<AttackArgs>),
    /// Judge the answers of a run; the model is not asked again.
    Judge(JudgeArgs),
    /// Draw the records of runs as one HTML page.
    Report(ReportArgs),
    /// Benchmark files: check them, exchange attack artifacts with HarmBench and JailbreakBench.
    #[command(subcommand)]
    Data(Box<DataCommand>),
    /// The embedded world: its files, and the model trained on it.
    World(WorldArgs),
    /// The paper's argument, measured on the model that comes with mosa.
    Quickstart(QuickstartArgs),
}

/// Where and how to compute.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Compute {
    /// auto, cpu, cuda:N or mps.
    #[arg(long, default_value = "auto", value_parser = |s: &str| s.parse::<DeviceChoice>())]
    pub device: DeviceChoice,
    /// auto (as stored), f32 or bf16.
    #[arg(long, default_value = "auto", value_parser = |s: &str| s.parse::<DtypeChoice>())]
    pub dtype: DtypeChoice,
    /// CPU threads; default: all.
    #[arg(long, value_parser = within::<usize>(1, THREADS), value_name = "N")]
    pub threads: Option<usize>,
    /// No progress and no notes on stderr.
    #[arg(long)]
    pub quiet: bool,
}

/// Which model.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ModelArgs {
    /// Checkpoint folder, or a Hugging Face hub id: owner/name, or owner/name@revision (branch, tag or commit).
    #[arg(long, value_name = "DIR")]
    pub model: String,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}
