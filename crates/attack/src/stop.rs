//! What ends a case before its attack does.

use crate::Limit;

/// Why a case stops before the attack does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The case has used what it may.
    #[error("the budget of {0:?} is used up")]
    Budget(Limit),
    /// A call failed for good.
    #[error("{0}")]
    Failed(String),
    /// The journal holds another request under the same key.
    #[error("{0}")]
    Drift(String),
    /// The user interrupted the run; the case begins again by replay.
    #[error("interrupted")]
    Interrupted,
}
