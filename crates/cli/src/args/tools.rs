//! Commands that read what is there: inspect, verify, merge, doctor, report.

use super::limits::{POSITIONS, THREADS, within};
use clap::Args as ClapArgs;
use mosa_model::{DeviceChoice, DtypeChoice};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// Run folders of probes, attacks, tasks (`utility`), alignments, or of the quickstart; and files of answers that the
    /// playground of `mosa serve` wrote (FILE.jsonl).
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The page.
    #[arg(long, value_name = "FILE.html", default_value = "report.html")]
    pub out: PathBuf,
    /// Also write every table as CSV, Markdown and LaTeX into this folder.
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// Checkpoint folder or hub id (owner/name, or owner/name@revision).
    pub model: String,
    /// Positions, of prompt and answer, that the memory is said for.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", default_value_t = 256)]
    pub canvas: usize,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// Golden folders: a checkpoint with golden.json and golden.safetensors.
    #[arg(required = true, value_name = "GOLDEN_DIR")]
    pub folders: Vec<PathBuf>,
    /// Only what is wrong or skipped.
    #[arg(long)]
    pub quiet: bool,
    /// cpu, auto, cuda:N or mps.
    #[arg(long, default_value = "cpu", value_parser = |s: &str| s.parse::<DeviceChoice>())]
    pub device: DeviceChoice,
    /// f32, or bf16 with tolerances that are as wide as its rounding; auto is f32.
    #[arg(long, default_value = "f32", value_parser = |s: &str| s.parse::<DtypeChoice>())]
    pub dtype: DtypeChoice,
    /// CPU threads; default: all.
    #[arg(long, value_parser = within::<usize>(1, THREADS), value_name = "N")]
    pub threads: Option<usize>,
    /// One JSON object per entry on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MergeArgs {
    /// Checkpoint folder or hub id (owner/name, or owner/name@revision).
    #[arg(long, value_name = "DIR")]
    pub model: String,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR")]
    pub adapter: PathBuf,
    /// New checkpoint folder; must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}
