//! What becomes of a case.

use crate::{Event, Reason, Used};
use mosa_records::Record;
use serde::{Deserialize, Serialize};

/// How the attack on one behaviour ended. Whether it worked is not said here: that is up to judges, later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The attack.
    pub attack: String,
    /// The behaviour's id.
    pub case: String,
    /// Its category, where the data has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Why it ended.
    pub reason: Reason,
    /// What went wrong, where something did; also why the target said nothing in the answer it would submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Keys of the answers it found, in `answers.jsonl`.
    pub candidates: Vec<String>,
    /// The key of the one it would submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<String>,
    /// What it used.
    pub used: Used,
    /// Steps that are no calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// What a case took of the time of its run. Kept apart from [`CaseRecord`], whose bytes do not depend on the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondsRecord {
    /// The attack.
    pub attack: String,
    /// The behaviour's id.
    pub case: String,
    /// Its share of the seconds that the run took while it was under way, in the session that finished it: of cases
    /// under way together each gets an equal part, so that the sum over all cases is the time of the run.
    pub seconds: f64,
}

impl Record for SecondsRecord {
    const SCHEMA: &'static str = "seconds/1";

    fn key(&self) -> String {
        format!("{}/{}", self.attack, self.case)
    }
}

impl Record for CaseRecord {
    const SCHEMA: &'static str = "case/1";

    fn key(&self) -> String {
        format!("{}/{}", self.attack, self.case)
    }
}
