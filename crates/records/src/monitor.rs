//! What monitors said of one answer.

use crate::{Record, number};
use serde::{Deserialize, Serialize};

/// One request, decoded under monitors that only watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorRecord {
    /// `benign`, `plain`, or the attack.
    pub group: String,
    /// The prompt; unique in its group.
    pub id: String,
    /// What each monitor said, in the order of the manifest.
    pub readings: Vec<MonitorReading>,
    /// Up to the first end token; behind forced words, up to the first behind them.
    pub text: String,
    /// `stop`, `length`, or what stopped it.
    pub finish: String,
    /// Model calls, those that monitors made by themselves included.
    pub forwards: usize,
}

/// One monitor on one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorReading {
    /// Its name.
    pub monitor: String,
    /// Which of its values are suspicious: `high` or `low`.
    pub suspicious: String,
    /// Its value for the answer, that of the last step that said something; none where none did.
    #[serde(with = "number::f64::option")]
    pub value: Option<f64>,
    /// The most suspicious value at which a row could have been stopped: behind the first few steps, where it runs.
    #[serde(with = "number::f64::option")]
    pub peak: Option<f64>,
    /// The steps at which it said something.
    pub steps: Vec<u64>,
    /// What it said there.
    #[serde(with = "number::f64::all")]
    pub values: Vec<f64>,
}

impl MonitorReading {
    /// A value so that suspicious ones are high.
    pub fn score(&self, value: f64) -> f64 {
        if self.suspicious == "low" { -value } else { value }
    }
}

impl Record for MonitorRecord {
    const SCHEMA: &'static str = "monitor/1";

    fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }
}
