//! What a defence did to one answer.

use crate::number;
use serde::{Deserialize, Serialize};

/// One act of a defence: a prompt rewritten, positions masked again, an answer replaced. What only looked and left everything
/// as it was is no act.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DefenceAct {
    /// The defence, by the name under which the manifest has it.
    pub defence: String,
    /// What it did, in a few words that are the same whenever it does the same: acts are counted by them.
    pub did: String,
    /// The step of the decode, from 0; none before the first step and behind the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The number it acted on, in the defence's own unit: a perplexity, a similarity, a share.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number::f64::option")]
    pub value: Option<f64>,
}
