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

impl DefenceAct {
    /// Something that was done before the first step or behind the last.
    pub fn new(defence: impl Into<String>, did: impl Into<String>) -> Self {
        Self { defence: defence.into(), did: did.into(), step: None, value: None }
    }

    /// The same, done at a step.
    #[must_use]
    pub fn at(self, step: u64) -> Self {
        Self { step: Some(step), ..self }
    }

    /// The same, because of this number.
    #[must_use]
    pub fn for_value(self, value: f64) -> Self {
        Self { value: Some(value), ..self }
    }
}
