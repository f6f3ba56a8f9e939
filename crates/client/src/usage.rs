//! What an endpoint was used for.

use serde::{Deserialize, Serialize};

/// What an endpoint was used for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// HTTP requests sent, retries included.
    pub requests: u64,
    /// Requests that brought a reply.
    pub replies: u64,
    /// Requests that repeat one that failed on the way (429, 5xx, timeouts, broken connections).
    pub transport_retries: u64,
    /// Tokens of prompts, as the endpoint counts them; its upper bound where it does not say.
    pub prompt_tokens: u64,
    /// Tokens of replies, counted the same way.
    pub completion_tokens: u64,
    /// Those of the tokens above that nobody counted: requests that may have been billed although no reply came.
    pub presumed_tokens: u64,
    /// Money, in the currency of the prices; 0 without prices.
    pub money: f64,
    /// Calls that were not made because the budget does not allow them.
    pub refused_by_budget: u64,
}
