//! `mosa data`.

use super::limits::within;
use super::{ReadArgs, SelectArgs};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use mosa_data::Columns;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Say what a benchmark file is and holds: counts, hash, duplicates, lengths; never its texts.
    Check(DataCheckArgs),
    /// Write the answers of a run as HarmBench, JailbreakBench, JSONL or inspect files.
    Export(DataExportArgs),
    /// Make a run folder of attack artifacts from elsewhere, to judge and report.
    Import(DataImportArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DataCheckArgs {
    /// Benchmark or prompt file: .jsonl, .json, .csv or .tsv.
    pub file: PathBuf,
    /// Another file: which prompts of FILE stand in it too? FILE is what is evaluated, this is training data.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    #[command(flatten)]
    pub select: SelectArgs,
    /// Seed of --sample, as other commands take it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Columns of the other file, of which all rows are used.
    #[arg(long, value_name = "MAP", value_parser = Columns::parse, requires = "against")]
    pub against_columns: Option<Columns>,
    /// Prompts are compared by their N-grams of words.
    #[arg(long, value_parser = within::<usize>(1, 100), value_name = "N", default_value_t = 5)]
    pub near_words: usize,
    /// Prompts that have this share of their N-grams in common are near duplicates.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub near_threshold: f64,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What an attack can know of a model, by JailbreakBench's names.
const ATTACK_TYPES: [&str; 4] = ["white_box", "black_box", "transfer", "manual"];

/// A way to write attack artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum ExchangeFormat {
    /// A folder with test_cases.json, completions.json and, if judged, results.json.
    HarmBench,
    /// One artifact file of one attack on one model.
    JailbreakBench,
    /// One submission a line; nothing is lost.
    Jsonl,
}

/// A way to write the answers of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum ExportFormat {
    /// A folder with test_cases.json, completions.json and, if judged, results.json.
    HarmBench,
    /// One artifact file of one attack on one model.
    JailbreakBench,
    /// One submission a line; nothing is lost.
    Jsonl,
    /// A folder with a log of inspect_ai for every attack, probe group or task, for `inspect view` and its data frames.
    Inspect,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DataExportArgs {
    /// Run folder of an attack or a probe; for inspect also of a task.
    pub run: PathBuf,
    /// Whose files to write.
    #[arg(long, value_enum, value_name = "NAME")]
    pub format: ExportFormat,
    /// The file, for harmbench and inspect the folder, to write.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// The judge whose verdicts are written; needed where there are several. Inspect has place for all.
    #[arg(long, value_name = "NAME")]
    pub judge: Option<String>,
    /// Only this attack; needed where the run has several and the format has place for one.
    #[arg(long, value_name = "NAME")]
    pub attack: Option<String>,
    /// Every candidate instead of the one selected for each behaviour.
    #[arg(long)]
    pub all: bool,
    /// Write a note instead of every response that is not judged a failure by all judges. The responsible choice for
    /// files that are shared: verdicts and prompts stay, harmful answers do not travel.
    #[arg(long)]
    pub redact: bool,
    /// JailbreakBench: the benchmark file, for the entries of behaviours without a submission.
    #[arg(long, value_name = "FILE", required_if_eq("format", "jailbreakbench"))]
    pub benchmark: Option<PathBuf>,
    #[command(flatten)]
    pub read: ReadArgs,
    /// JailbreakBench: what the attack knew of the model.
    #[arg(long, value_name = "TYPE", value_parser = ATTACK_TYPES, required_if_eq("format", "jailbreakbench"))]
    pub attack_type: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DataImportArgs {
    /// The file; for harmbench test_cases.json, completions.json or results.json, or the folder with these.
    pub file: PathBuf,
    /// Whose files it is.
    #[arg(long, value_enum, value_name = "NAME")]
    pub format: ExchangeFormat,
    /// The benchmark that was attacked; every behaviour has to be in it.
    #[arg(long, value_name = "FILE")]
    pub benchmark: PathBuf,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Run folder to write. Prompts without a response become its prompts.jsonl, for `mosa generate --prompts`.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// The attack's name, which HarmBench's files do not say.
    #[arg(long, value_name = "NAME", default_value = "imported")]
    pub attack: String,
    /// The name under which labels in the file are kept as verdicts; default: the format.
    #[arg(long, value_name = "NAME")]
    pub judge: Option<String>,
}
