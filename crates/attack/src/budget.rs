//! What one case may use.

use serde::{Deserialize, Serialize};

/// Limits of a case; absent means none. Checked before every call, for all calls that are made together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Answers and scores of the target; every sample counts.
    pub queries: Option<u64>,
    /// Calls of helper models.
    pub helper_calls: Option<u64>,
    /// Model calls of the target while decoding and scoring. Known only afterwards: no call begins beyond it.
    pub forwards: Option<u64>,
}

/// What a case has used. Replayed calls count: a resumed case stops where it would have stopped without the kill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Answers and scores of the target.
    pub queries: u64,
    /// Calls of helper models.
    pub helper_calls: u64,
    /// Model calls of the target.
    pub forwards: u64,
    /// Calls of a proxy model.
    pub proposals: u64,
}

impl Used {
    /// One more query of the target that took this many model calls.
    pub(crate) fn query(&mut self, forwards: usize) {
        self.queries += 1;
        self.forwards += forwards as u64;
    }
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Budget::queries`].
    Queries,
    /// [`Budget::helper_calls`].
    HelperCalls,
    /// [`Budget::forwards`].
    Forwards,
}

impl Budget {
    /// Whether `queries` and `helper_calls` more may be made.
    ///
    /// # Errors
    /// The limit that would be exceeded.
    pub fn allows(&self, used: &Used, queries: u64, helper_calls: u64) -> Result<(), Limit> {
        let over = |limit: Option<u64>, would: u64| limit.is_some_and(|l| would > l);
        if over(self.queries, used.queries + queries) {
            return Err(Limit::Queries);
        }
        if over(self.helper_calls, used.helper_calls + helper_calls) {
            return Err(Limit::HelperCalls);
        }
        if queries > 0 && self.forwards.is_some_and(|l| used.forwards >= l) {
            return Err(Limit::Forwards);
        }
        Ok(())
    }
}
