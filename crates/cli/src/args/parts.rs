//! Which part of its cases a process works on; the same for every command that measures.

use super::limits::{PROMPTS, within};
use clap::Args as ClapArgs;
use mosa_records::Shard;
use serde::Serialize;

/// Cases of a chunk, if nothing else is said.
const CHUNK: usize = 32;
/// Seconds after which a lease that does not change is over, if nothing else is said.
const LEASE_SECONDS: u64 = 60;
const LONGEST_LEASE: u64 = 86_400;

/// Several processes for one run.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Parts of a run")]
pub(crate) struct PartArgs {
    /// Do the I-th of N equal parts, in a run folder of its own: 2/4. `mosa records merge` puts the parts together.
    #[arg(long, value_name = "I/N", conflicts_with = "join")]
    pub shard: Option<Shard>,
    /// Share the run folder with all processes that are given the same command: each takes the next chunk that nobody
    /// works on, until all are done. `mosa records merge` puts the chunks together.
    #[arg(long)]
    pub join: bool,
    /// Cases of a chunk, with --join; the same in all processes.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N", requires = "join", default_value_t = CHUNK)]
    pub chunk: usize,
    /// Seconds after which a chunk goes to another process if the one that has it gives no sign of life; with --join.
    #[arg(long, value_parser = within::<u64>(1, LONGEST_LEASE), value_name = "N", requires = "join",
        default_value_t = LEASE_SECONDS)]
    pub lease_seconds: u64,
}

impl PartArgs {
    /// Whether other processes do the rest.
    pub(crate) fn is_given(&self) -> bool {
        self.shard.is_some() || self.join
    }
}

impl Default for PartArgs {
    fn default() -> Self {
        Self { shard: None, join: false, chunk: CHUNK, lease_seconds: LEASE_SECONDS }
    }
}
