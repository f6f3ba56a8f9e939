//! `mosa serve`.

use super::limits::{POSITIONS, ROWS, THREADS, between, within};
use super::{Compute, DefenceArgs, SamplingArgs};
use clap::Args as ClapArgs;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Most answers that may wait, and most bytes of a request.
const WAITING: u64 = 1_000_000;
const BODY: u64 = 1 << 30;
/// Most seconds of a timeout.
const SECONDS: f64 = 1e6;

#[derive(Debug, ClapArgs)]
#[command(mut_arg("batching", |a| a.help(
    "rows, auto: each answer in passes of its own, with the bytes it has alone; padded: answers share passes, faster, equal up to rounding"
)))]
pub(crate) struct ServeArgs {
    /// Checkpoint folder, or a Hugging Face hub id: owner/name, or owner/name@revision (branch, tag or commit).
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub model: String,
    /// What clients call the model; default: the last part of --model.
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub name: Option<String>,
    /// A PEFT LoRA adapter folder, served beside the model as MODEL:NAME; may be given several times.
    #[arg(long, value_name = "NAME=DIR", help_heading = "Model", value_parser = adapter)]
    pub adapter: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub defences: DefenceArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Where to listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8000")]
    pub addr: SocketAddr,
    /// Threads that decode, of each model; default: one, or one per core where a model is so small that a pass is not worth
    /// all cores.
    #[arg(long, value_name = "N", value_parser = within::<usize>(1, THREADS))]
    pub workers: Option<usize>,
    /// With --batching padded, most computed positions of a pass that answers share; default: 32768.
    #[arg(long, value_name = "N", value_parser = within::<usize>(1, POSITIONS))]
    pub max_batch_tokens: Option<usize>,
    /// Answers under way at the same time.
    #[arg(long, value_name = "N", value_parser = within::<usize>(1, ROWS), default_value_t = 64)]
    pub max_running: usize,
    /// Answers that may wait for their turn; who comes later gets status 429.
    #[arg(long, value_name = "N", value_parser = within::<usize>(0, WAITING), default_value_t = 256)]
    pub max_queue: usize,
    /// Seconds an answer may take, its waiting included.
    #[arg(long, value_name = "SECONDS", value_parser = between(0.001, SECONDS), default_value_t = 600.0)]
    pub timeout: f64,
    /// Seconds that answers under way may go on once the server is told to stop.
    #[arg(long, value_name = "SECONDS", value_parser = between(0.0, SECONDS), default_value_t = 30.0)]
    pub grace: f64,
    /// Most bytes of a request.
    #[arg(long, value_name = "BYTES", value_parser = within::<usize>(1, BODY), default_value_t = 4 << 20)]
    pub max_body: usize,
    /// A key that callers have to send (Authorization: Bearer KEY); better kept in the environment.
    #[arg(long, value_name = "KEY", env = "MOSA_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// Tokens at the end of a prompt that a completion with echo and logprobs scores, where the request does not say it.
    #[arg(long, value_name = "N", value_parser = within::<usize>(1, WAITING))]
    pub score_tail: Option<usize>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// A name and its folder.
fn adapter(typed: &str) -> Result<(String, PathBuf), String> {
    match typed.split_once('=') {
        Some((name, dir)) if !name.trim().is_empty() && !dir.is_empty() => Ok((name.trim().to_owned(), dir.into())),
        _ => Err(format!("{typed:?} is not NAME=DIR")),
    }
}
