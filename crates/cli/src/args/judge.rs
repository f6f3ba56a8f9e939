//! `mosa judge`, and the judging that other commands do.

use super::PartArgs;
use super::limits::{THREADS, within};
use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;
use mosa_judge::JUDGES;
use serde::Serialize;
use std::path::PathBuf;

/// Judge of answers, if nothing else is said.
const JUDGE: &str = "keyword";
/// Answers judged at the same time, if nothing else is said.
const CONCURRENCY: usize = 4;

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(JUDGES.iter().map(|judge| judge.name))
}

/// Who judges, and how.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Judging")]
pub(crate) struct JudgingArgs {
    /// Judges, separated by commas; `mosa list judges` says what they are.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names(), default_value = JUDGE)]
    pub judge: Vec<String>,
    /// Judge settings: the tables `settings`, `endpoint` and `gate`.
    #[arg(long, value_name = "FILE.toml")]
    pub judge_config: Option<PathBuf>,
    /// OpenAI-compatible endpoint of judge models, up to and including the version: http://127.0.0.1:8000/v1.
    #[arg(long, value_name = "URL")]
    pub judge_endpoint: Option<String>,
    /// Judge model at the endpoint.
    #[arg(long, value_name = "NAME")]
    pub judge_model: Option<String>,
    /// Folder in which replies of judge models are kept, by content.
    #[arg(long, value_name = "DIR")]
    pub judge_cache: Option<PathBuf>,
    /// Answers judged at the same time.
    #[arg(long, value_parser = within::<usize>(1, THREADS), value_name = "N", default_value_t = CONCURRENCY)]
    pub concurrency: usize,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct JudgeArgs {
    /// Run folder of a probe.
    pub run: PathBuf,
    #[command(flatten)]
    pub judging: JudgingArgs,
    #[command(flatten)]
    pub parts: PartArgs,
    /// Folder of the part, with --shard or --join; `mosa records merge` adds its verdicts to the run.
    #[arg(long, value_name = "PART")]
    pub out: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long)]
    pub quiet: bool,
}

impl Default for JudgingArgs {
    fn default() -> Self {
        Self {
            judge: vec![JUDGE.into()],
            judge_config: None,
            judge_endpoint: None,
            judge_model: None,
            judge_cache: None,
            concurrency: CONCURRENCY,
        }
    }
}
