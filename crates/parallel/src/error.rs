//! What can go wrong between ranks.

use std::time::Duration;
use tch::TchError;

/// An error of ranks that work together.
#[derive(Debug, thiserror::Error)]
pub enum ParallelError {
    /// The variables of a launcher contradict each other or are not all there.
    #[error("{0}")]
    Launch(String),
    /// This program has no way to talk to other processes.
    #[error("several ranks need c10d, and this mosa was built without it: {0}")]
    Unavailable(String),
    /// Rank 0 cannot listen where the others look for it.
    #[error(
        "port {port} of {host} cannot be listened on: {what}; another job may hold it: choose another MASTER_PORT, the same for all ranks"
    )]
    Port {
        /// Where.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        what: String,
    },
    /// Ranks did not come to the meeting.
    #[error(
        "{missing} of {size} did not come to {at} within {} s{why}; start all of them with the same MASTER_ADDR and MASTER_PORT, or wait longer with --rank-timeout{hint}",
        waited.as_secs_f64()
    )]
    Missing {
        /// Which, in words.
        missing: String,
        /// How many there should be.
        size: usize,
        /// Where they should have come.
        at: String,
        /// How long they were waited for.
        waited: Duration,
        /// What this rank saw of it, in parentheses.
        why: String,
        /// What may be the cause.
        hint: String,
    },
    /// Somebody else is this rank already.
    #[error("rank {rank} is there already ({who}): two jobs use the same MASTER_PORT, or two processes the same rank")]
    Twice {
        /// The rank.
        rank: usize,
        /// Who has it.
        who: String,
    },
    /// Ranks died or stand still.
    #[error("{who} ({cause})")]
    Lost {
        /// Which, in words.
        who: String,
        /// What this rank saw of it.
        cause: String,
    },
    /// The job has ended, and another rank says why.
    #[error("{text}")]
    Elsewhere {
        /// What the other rank says.
        text: String,
        /// The exit code it ends with.
        code: u8,
    },
    /// Ranks have different numbers where they must have the same.
    #[error("{0}")]
    Differs(String),
    /// What came from another rank cannot be read.
    #[error("what the ranks sent each other does not fit together: {0}")]
    Garbled(&'static str),
    /// NCCL cannot be used or failed.
    #[error("NCCL: {0}")]
    Nccl(String),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TchError),
}

impl ParallelError {
    /// Whether another rank says what happened, so that this one need not.
    pub fn is_told_elsewhere(&self) -> bool {
        matches!(self, Self::Elsewhere { .. })
    }

    /// Whether the job broke off, and not what was asked for was wrong.
    pub fn is_broken_off(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Differs(_))
    }
}
