//! `Outcome`: what became of a program.

use std::time::Duration;

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check returned.
    Passed,
    /// The program or its check raised an exception.
    Failed {
        /// Type, message and line of the exception, in one bounded line.
        what: String,
    },
    /// A limit of time, by the clock or the processor.
    TimedOut,
    /// Memory ran out.
    Memory,
    /// The process ended, by itself or by a signal, before the check returned.
    Ended {
        /// The exit code or the signal.
        how: String,
    },
}

impl Outcome {
    /// The name in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed_out",
            Self::Memory => "memory",
            Self::Ended { .. } => "ended",
        }
    }

    /// Whether the check returned.
    #[must_use]
    pub fn passed(&self) -> bool {
        *self == Self::Passed
    }

    /// What there is to say beyond the name; empty for some.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Failed { what } => what,
            Self::Ended { how } => how,
            Self::Passed | Self::TimedOut | Self::Memory => "",
        }
    }
}

/// A program's run as it was seen from outside.
#[derive(Clone, Debug)]
pub struct Run {
    /// What became of it.
    pub outcome: Outcome,
    /// The first bytes of its standard output, at most [`Limits::output_bytes`](crate::Limits::output_bytes).
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error, likewise.
    pub stderr: Vec<u8>,
    /// From start to verdict, by the clock.
    pub wall: Duration,
}
