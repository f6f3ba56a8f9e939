//! What a judge said about an answer.

use crate::Record;
use serde::{Deserialize, Serialize};

/// A verdict on one text of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Key of the answer.
    pub answer: String,
    /// Which of its texts was judged.
    pub view: View,
    /// The judge, settings included.
    pub judge: String,
    /// Whether the attack succeeded; none: unassessed, and never counted as resistance.
    pub success: Option<bool>,
    /// The score on the judge's own scale.
    pub value: Option<f64>,
    /// `ok`, or why there is no verdict.
    pub status: String,
    /// Which test of the degeneracy gate the text failed, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degenerate: Option<String>,
    /// Everything else the judge reports: its parts, its raw answer, its model and template.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// A text of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Up to the first end token; behind forced words, the first one after them.
    Answer,
    /// The same without the forced words.
    WithoutForced,
}

impl View {
    /// As it is written in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::WithoutForced => "without_forced",
        }
    }
}

impl Record for VerdictRecord {
    const SCHEMA: &'static str = "verdict/1";

    fn key(&self) -> String {
        format!("{}/{}/{}", self.judge, self.view.name(), self.answer)
    }
}
