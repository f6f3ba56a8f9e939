//! `mosa records`.

use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum RecordsCommand {
    /// Put the parts of a run together: what is written is what the run in one piece would have written.
    Merge(RecordsMergeArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RecordsMergeArgs {
    /// The run folders of all parts (--shard), or the folder that processes shared (--join).
    #[arg(required = true, value_name = "PART")]
    pub parts: Vec<PathBuf>,
    /// The run folder of the whole; for parts of `mosa judge`, the run that was judged.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Nothing on stderr but warnings.
    #[arg(long)]
    pub quiet: bool,
}
