//! What a model made of one item of a task.

use crate::number;
use crate::{DefenceAct, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One answer to one item of a benchmark, or its scores of the item's choices, with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// The task, for example `gsm8k`.
    pub task: String,
    /// The protocol it is asked and scored by.
    pub protocol: String,
    /// The item; unique in its task.
    pub id: String,
    /// Which of several answers to the item, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: usize,
    /// The item's place among all items of the benchmark, from 0.
    pub index: usize,
    /// What it is counted under beside the whole: a subject, a half, a cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What was asked, before any chat template: a text, or a list of messages with `role` and `content`.
    pub prompt: Value,
    /// Words behind the prompt that the answer goes on from; no part of the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The right answer, as far as it can be said in words.
    pub gold: String,
    /// What the model wrote, up to its first end token; empty where it chose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// How likely the model found each choice, in the item's order; empty where it wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceScore>,
    /// What came of it by each metric of the task, its first metric first.
    pub scores: Vec<SampleScore>,
    /// `stop`, `length`, or what stopped it; `chosen` where the model chose.
    pub finish: String,
    /// Model calls.
    pub forwards: usize,
    /// What the defences of the run did to it, in the order it happened; empty where none acted, or there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defences: Vec<DefenceAct>,
}

/// A choice and how likely the model found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceScore {
    /// The words that were scored behind the prompt.
    pub text: String,
    /// ln p of them.
    #[serde(with = "number::f64")]
    pub log_p: f64,
}

/// What came of an answer by one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleScore {
    /// The metric, for example `strict-match`.
    pub metric: String,
    /// What was found in the answer; none: nothing that the metric looks for.
    pub extracted: Option<String>,
    /// `right`, `wrong`, or what the metric says in words: `timed out`, `partial refusal`, why it is unassessed.
    pub verdict: String,
    /// Whether it counts as right; none: unassessed, and counted neither way.
    pub correct: Option<bool>,
}

impl SampleRecord {
    /// What came of it by a metric.
    pub fn score(&self, metric: &str) -> Option<&SampleScore> {
        self.scores.iter().find(|score| score.metric == metric)
    }

    /// The key of an attempt at an item.
    pub fn key_of(task: &str, id: &str, attempt: usize) -> String {
        if attempt == 0 { format!("{task}/{id}") } else { format!("{task}/{id}#{attempt}") }
    }
}

impl Record for SampleRecord {
    const SCHEMA: &'static str = "sample/1";

    fn key(&self) -> String {
        Self::key_of(&self.task, &self.id, self.attempt)
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}
