//! `mosa list`.

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// What to list.
    #[arg(value_enum)]
    pub what: Listed,
    /// One JSON object per entry on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What has names on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    /// for `mosa attack`
    Attacks,
    /// for --judge
    Judges,
    /// for `mosa align --objective`
    Objectives,
    /// for --remasking, --alg, --threshold and --factor
    Commits,
    /// for `mosa probe`
    Probes,
    /// for --defence
    Defences,
    /// for `mosa utility`
    Tasks,
}
