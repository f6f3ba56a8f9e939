//! The fixed parts a step's work is cut into, and which rank does which.

use crate::{Alone, Exchange, ParallelError};
use std::ops::Range;

/// A number of shards over a number of ranks: each rank has the same number of neighbouring ones, or one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Shards in all.
    pub count: usize,
    /// Ranks.
    pub ranks: usize,
}

impl Shards {
    /// The shards of a rank.
    pub fn of(self, rank: usize) -> Range<usize> {
        rank * self.count / self.ranks..(rank + 1) * self.count / self.ranks
    }

    /// The shard of the unit with this number.
    pub fn at(self, unit: usize) -> usize {
        unit % self.count
    }
}

/// The ranks of a job and the shards they share.
#[derive(Clone, Copy, Debug)]
pub struct Team<'a> {
    /// How they talk.
    pub exchange: &'a dyn Exchange,
    /// Shards in all.
    pub shards: usize,
}

impl Team<'_> {
    /// One process, one shard.
    pub const ALONE: Team<'static> = Team { exchange: &Alone, shards: 1 };

    /// The shards and ranks.
    pub fn split(&self) -> Shards {
        Shards { count: self.shards, ranks: self.exchange.size() }
    }

    /// The shards of this rank.
    pub fn own(&self) -> Range<usize> {
        self.split().of(self.exchange.rank())
    }

    /// Whether this rank writes files and talks to the user.
    pub fn leads(&self) -> bool {
        self.exchange.rank() == 0
    }

    /// Whether any rank says yes.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    pub fn any(&self, own: bool) -> Result<bool, ParallelError> {
        match self.exchange.size() {
            1 => Ok(own),
            _ => Ok(self.exchange.gather(&[u8::from(own)])?.iter().any(|said| *said == [1])),
        }
    }

    /// Refuses ranks that could have no shard.
    ///
    /// # Errors
    /// [`ParallelError::Launch`].
    pub fn check(&self) -> Result<(), ParallelError> {
        let (ranks, shards) = (self.exchange.size(), self.shards);
        if ranks <= shards {
            return Ok(());
        }
        Err(ParallelError::Launch(format!(
            "{ranks} ranks share {shards} shards, so that some would have nothing to do: start at most {shards} ranks, or begin a new run with --set shards={ranks}"
        )))
    }
}
