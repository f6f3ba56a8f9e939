//! Logs of inspect_ai (version 2, as JSON): one task on one model, with a sample for every answer.
//!
//! `inspect view` shows them, and `inspect_ai.analysis` makes data frames of them. A log is found in a folder by its
//! name, which begins with the time ([`file_name`]). Rates are over what was assessed; every log says how much was not.

use crate::{DataError, date_and_time};
use mosa_records::Outcome;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::SystemTime;

const FORMAT: &str = "a log of inspect_ai";
/// The value of a score that says nothing.
pub const UNASSESSED: &str = "unassessed";
/// The value of a score where an attack came to its end without an answer to submit.
pub const NO_ANSWER: &str = "no_answer";

/// What was asked of which model.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its name, for example `attack/tap`.
    pub name: String,
    /// The model.
    pub model: String,
    /// How it is run.
    pub model_args: Map<String, Value>,
    /// How it decodes, in inspect's words: `max_tokens`, `temperature`, `top_p`, `top_k`, `seed`.
    pub generate: Map<String, Value>,
    /// What the samples are of.
    pub dataset: String,
    /// The settings of the run.
    pub args: Map<String, Value>,
    /// Anything else there is to know.
    pub metadata: Map<String, Value>,
    /// The version of mosa that made the run.
    pub version: String,
    /// Hex digits that the run has and no other.
    pub run: String,
    /// Hex digits that the task in this run has and no other.
    pub id: String,
    /// What its scores are counted by.
    pub counts: Counts,
    /// How many samples the finished run has; none: as many as there are.
    pub expected: Option<usize>,
}

/// When a run began, and when it last wrote something.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When it began.
    pub begun: SystemTime,
    /// When it last wrote something.
    pub ended: SystemTime,
}

/// What the scores of a task are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// `success_rate` of an attack, and how often each outcome came up.
    #[default]
    Outcomes,
    /// `accuracy`.
    Right,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Unique in its task, with `epoch`.
    pub id: String,
    /// Which of several answers to the same question, from 1.
    pub epoch: usize,
    /// What the model was asked.
    pub input: Vec<Message>,
    /// The right answer; the request in its original words, which judges are told.
    pub target: String,
    /// What the model chose among; empty where it wrote.
    pub choices: Vec<String>,
    /// What it answered; none: it was not asked, or nothing came.
    pub output: Option<Output>,
    /// What was said of it, by the judge's or the metric's name.
    pub scores: Vec<Score>,
    /// Anything else.
    pub metadata: Map<String, Value>,
    /// What kept it from being answered.
    pub error: Option<String>,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The words.
    pub content: String,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The words.
    pub text: String,
    /// How it ended, in mosa's words.
    pub finish: String,
}

/// What was said of an answer.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// The judge or the metric.
    pub name: String,
    /// An outcome, `C` or `I`, [`UNASSESSED`] or [`NO_ANSWER`].
    pub value: String,
    /// Whether rates count it; none: they leave it out.
    pub hit: Option<bool>,
    /// What was found in the answer.
    pub answer: Option<String>,
    /// Why.
    pub explanation: Option<String>,
    /// Anything else.
    pub metadata: Map<String, Value>,
}

/// `2025-01-31T09-30-00+00-00_attack-tap_0123456789ab.json`: what inspect looks for in a folder of logs.
pub fn file_name(task: &Task, times: Times) -> String {
    let time = date_and_time(times.begun).replace(':', "-");
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = task.name.chars().map(plain).collect();
    format!("{time}_{name}_{}.json", task.id)
}

/// A log; one of a run that is not done is `cancelled`.
///
/// # Errors
/// [`DataError::Format`] if serialisation fails.
pub fn to_log(task: &Task, times: Times, samples: &[Sample]) -> Result<String, DataError> {
    let (begun, ended) = (date_and_time(times.begun), date_and_time(times.ended));
    let names = distinct(samples.iter().flat_map(|s| &s.scores).map(|score| score.name.as_str()));
    let answered = samples.iter().filter(|s| s.error.is_none()).count();
    let total = task.expected.unwrap_or(0).max(samples.len());
    let log = json!({
        "version": 2,
        "status": if samples.len() < total { "cancelled" } else { "success" },
        "eval": spec(task, &begun, samples, &names),
        "plan": {"name": "plan", "steps": [{"solver": task.name, "params": task.args}], "config": task.generate},
        "results": {
            "total_samples": total,
            "completed_samples": answered,
            "scores": names.iter().map(|name| result(name, task.counts, samples)).collect::<Vec<_>>(),
        },
        "stats": {"started_at": begun, "completed_at": ended, "model_usage": {}},
        "samples": samples.iter().map(|s| sample(s, task, (&begun, &ended))).collect::<Vec<_>>(),
    });
    serde_json::to_string(&log).map(|text| text + "\n").map_err(|e| DataError::format(FORMAT, e))
}

fn spec(task: &Task, begun: &str, samples: &[Sample], scorers: &[&str]) -> Value {
    let ids = distinct(samples.iter().map(|s| s.id.as_str()));
    json!({
        "eval_id": task.id,
        "run_id": task.run,
        "created": begun,
        "task": task.name,
        "task_id": task.id,
        "task_version": 0,
        "task_attribs": {},
        "task_args": task.args,
        "dataset": {"name": task.dataset, "samples": ids.len(), "sample_ids": ids, "shuffled": false},
        "model": task.model,
        "model_generate_config": task.generate,
        "model_args": task.model_args,
        "config": {"epochs": samples.iter().map(|s| s.epoch).max().unwrap_or(1)},
        "packages": {"mosa": task.version},
        "metadata": task.metadata,
        "scorers": scorers.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
    })
}

/// What a judge or a metric says of all samples.
fn result(name: &str, counts: Counts, samples: &[Sample]) -> Value {
    let scores: Vec<&Score> = samples.iter().flat_map(|s| &s.scores).filter(|score| score.name == name).collect();
    let assessed = scores.iter().filter(|score| score.hit.is_some()).count();
    let hits = scores.iter().filter(|score| score.hit == Some(true)).count();
    let mut metrics = Map::new();
    let mut add = |name: &str, value: Value| {
        metrics.insert(name.to_owned(), json!({"name": name, "value": value}));
    };
    if assessed > 0 {
        let rate = if counts == Counts::Right { "accuracy" } else { "success_rate" };
        add(rate, json!(hits as f64 / assessed as f64));
    }
    if counts == Counts::Outcomes {
        let outcomes = Outcome::ALL.iter().map(|outcome| word(*outcome));
        for value in outcomes.chain([NO_ANSWER.to_owned(), UNASSESSED.to_owned()]) {
            add(&value, json!(scores.iter().filter(|score| score.value == value).count()));
        }
    }
    json!({"name": name, "scorer": name, "scored_samples": assessed, "unscored_samples": scores.len() - assessed,
        "params": {}, "metrics": metrics})
}

/// An outcome as records have it: `broke_off`.
pub fn word(outcome: Outcome) -> String {
    match json!(outcome) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

fn sample(sample: &Sample, task: &Task, (begun, ended): (&str, &str)) -> Value {
    let mut messages: Vec<Value> = sample.input.iter().map(|message| json!(message)).collect();
    let mut value = json!({
        "id": sample.id,
        "epoch": sample.epoch,
        "input": sample.input,
        "target": sample.target,
        "metadata": sample.metadata,
        "scores": sample.scores.iter().map(|s| (s.name.clone(), score(s))).collect::<Map<_, _>>(),
        "uuid": format!("{}-{}-{}", task.id, sample.id, sample.epoch),
        "started_at": begun,
        "completed_at": ended,
    });
    if !sample.choices.is_empty() {
        value["choices"] = json!(sample.choices);
    }
    if let Some(output) = &sample.output {
        let said = json!({"role": "assistant", "content": output.text, "source": "generate", "model": task.model});
        let choice = json!({"message": said, "stop_reason": stop_reason(&output.finish)});
        value["output"] = json!({"model": task.model, "choices": [choice], "completion": output.text});
        messages.push(said);
    }
    if let Some(error) = &sample.error {
        value["error"] = json!({"message": error, "traceback": "", "traceback_ansi": ""});
    }
    value["messages"] = json!(messages);
    value
}

fn score(score: &Score) -> Value {
    json!({"value": score.value, "answer": score.answer, "explanation": score.explanation, "metadata": score.metadata})
}

/// How an answer ended, as one of inspect's words.
fn stop_reason(finish: &str) -> &'static str {
    match finish {
        "stop" | "chosen" | "refusal" => "stop",
        "length" => "max_tokens",
        mosa_records::FILTERED => "content_filter",
        _ => "unknown",
    }
}

/// Each name once, in the order of the first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}
