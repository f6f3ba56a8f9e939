//! `mosa utility`.

use super::limits::{PROMPTS, ROWS, STEPS, within};
use super::{Compute, DefenceArgs, EndpointArgs, PartArgs, SamplingArgs};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, ClapArgs)]
#[command(
    mut_arg("gen_length", |a| a.help("Response positions; default: the protocol's")),
    mut_arg("steps", |a| a.help("Denoising steps; default: the protocol's, else gen-length")),
    mut_arg("block_length", |a| a.help("Positions per block (block sampler); default: the protocol's, else gen-length")),
    mut_arg("eos_stop", |a| a.hide(true)),
    mut_arg("seed", |a| a.help("Seed of --sample, and of every random draw"))
)]
pub(crate) struct UtilityArgs {
    /// gsm8k, mmlu, humaneval, xstest, or a task file of one's own (.toml); `list` says which there are, `show` prints the
    /// task file of one as a start for one's own.
    pub task: String,
    /// With `show`: the task.
    #[arg(value_name = "NAME")]
    pub shown: Option<String>,
    #[command(flatten)]
    pub subject: SubjectArgs,
    #[command(flatten)]
    pub defences: DefenceArgs,
    #[command(flatten)]
    pub compute: Compute,
    #[command(flatten)]
    pub items: ItemArgs,
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub parts: PartArgs,
    /// Ask those items again that came to nothing: an endpoint was away, a budget of it used up.
    #[arg(long, conflicts_with = "join")]
    pub retry: bool,
    #[command(flatten)]
    pub programs: ProgramArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// What is measured.
#[derive(Clone, Debug, Default, PartialEq, ClapArgs)]
#[command(next_help_heading = "Target")]
pub(crate) struct SubjectArgs {
    /// Checkpoint folder, or a Hugging Face hub id.
    #[arg(long, value_name = "DIR", conflicts_with = "endpoint")]
    pub model: Option<String>,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR", requires = "model", conflicts_with = "endpoint")]
    pub adapter: Option<PathBuf>,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Answers that were given before, instead of a model: rows with `id` or `task_id` and `answer` or `completion`, such as
    /// the samples of another run or the completions of human-eval.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "endpoint", "target_config"])]
    pub answers: Option<PathBuf>,
    /// What the model is called in reports.
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Items asked together; default: 16, and 64 where choices are scored.
    #[arg(long, value_parser = within::<usize>(1, ROWS), value_name = "N")]
    pub batch_size: Option<usize>,
}

/// Which items, and how they are asked.
#[derive(Clone, Debug, PartialEq, ClapArgs)]
#[command(next_help_heading = "Items")]
pub(crate) struct ItemArgs {
    /// The benchmark: its folder, or its file.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// How it is asked and scored; `list` says which protocols a task has. Default: its first.
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Solved examples before the question; default: the protocol's.
    #[arg(long, value_parser = within::<usize>(0, 1_000), value_name = "N")]
    pub shots: Option<usize>,
    /// The file that shots are taken from, where it is not beside the data.
    #[arg(long, value_name = "FILE")]
    pub shots_file: Option<PathBuf>,
    /// Use only items of these groups (subjects, halves), separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = trimmed)]
    pub groups: Option<Vec<String>>,
    /// Use only the first N items.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N")]
    pub limit: Option<usize>,
    /// Use a sample of N items, drawn with the command's seed, every group in proportion.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
    /// Answers to each item (with a temperature), for pass@k.
    #[arg(long, value_parser = within::<usize>(1, STEPS), value_name = "N", default_value_t = 1)]
    pub repeats: usize,
}

/// How programs that a model wrote are run.
#[derive(Clone, Debug, PartialEq, ClapArgs)]
#[command(next_help_heading = "Programs")]
pub(crate) struct ProgramArgs {
    /// What keeps programs that the model wrote from doing harm; auto takes bubblewrap, or Landlock where that is missing. none
    /// keeps them from nothing.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = SandboxName::Auto)]
    pub sandbox: SandboxName,
    /// Seconds a program may take.
    #[arg(long, value_parser = within::<u64>(1, 3_600), value_name = "N", default_value_t = 10)]
    pub program_seconds: u64,
}

/// A sandbox by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxName {
    #[default]
    Auto,
    Bubblewrap,
    Landlock,
    None,
}

/// A name as it stands in a list, without the blanks beside the commas.
fn trimmed(name: &str) -> Result<String, String> {
    match name.trim() {
        "" => Err("a name is empty; give names with one comma between two".into()),
        name => Ok(name.to_owned()),
    }
}
