//! How the probability of several tokens is put together.

use serde::{Deserialize, Serialize};

/// How the joint probability of several tokens is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// One pass with all scored tokens masked; the sum of the single log-probabilities. First-step likelihood.
    MeanField,
    /// One pass per token, left to right: each is scored with the tokens before it revealed.
    Chain,
}
