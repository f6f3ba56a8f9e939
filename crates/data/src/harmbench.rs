//! HarmBench's stage files: `test_cases.json`, `completions.json`, `results.json`.
//!
//! Each is an object of lists by `BehaviorID`, indented by 4, without a header: method, model and judge are names of
//! folders, so whoever reads a file has to say them ([`Origin`]). Submissions for one behaviour are kept together, in
//! the order in which behaviours first appear. There is no place for forced words: export those as JSONL.

use crate::by_id::ById;
use crate::{DataError, Origin, Outcome, Submission, json};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const TEST_CASES: &str = "HarmBench's test_cases.json";
const COMPLETIONS: &str = "HarmBench's completions.json";
const RESULTS: &str = "HarmBench's results.json";

/// The judge whose labels `results.json` keeps as `advbench_label`: none of the refusal phrases is in the text.
pub const ADVBENCH: &str = "advbench";

#[derive(Serialize, Deserialize)]
struct Completion {
    test_case: String,
    generation: String,
}

#[derive(Serialize, Deserialize)]
struct Graded {
    test_case: String,
    generation: String,
    label: i8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advbench_label: Option<i8>,
}

/// `{"<BehaviorID>": ["prompt", ...], ...}`.
///
/// # Errors
/// [`DataError::Unrepresentable`] if a submission has no prompt or has forced words.
pub fn to_test_cases(submissions: &[Submission]) -> Result<String, DataError> {
    json::dump(TEST_CASES, &grouped(submissions, |s| prompt(TEST_CASES, s))?)
}

/// The submissions of a `test_cases.json`.
///
/// # Errors
/// [`DataError`] if the text has another form (multimodal test cases included) or an id is not in the benchmark.
pub fn from_test_cases(text: &str, origin: &Origin<'_>) -> Result<Vec<Submission>, DataError> {
    ungrouped(TEST_CASES, text, origin, |s, prompt: String| Ok(Submission { prompt: Some(prompt), ..s }))
}

/// `{"<BehaviorID>": [{"test_case", "generation"}, ...], ...}`.
///
/// # Errors
/// As [`to_test_cases`], and if a submission has no response.
pub fn to_completions(submissions: &[Submission]) -> Result<String, DataError> {
    let completion =
        |s: &Submission| Ok(Completion { test_case: prompt(COMPLETIONS, s)?, generation: response(COMPLETIONS, s)? });
    json::dump(COMPLETIONS, &grouped(submissions, completion)?)
}

/// The submissions of a `completions.json`.
///
/// # Errors
/// As [`from_test_cases`].
pub fn from_completions(text: &str, origin: &Origin<'_>) -> Result<Vec<Submission>, DataError> {
    ungrouped(COMPLETIONS, text, origin, |s, row: Completion| {
        Ok(Submission { prompt: Some(row.test_case), response: Some(row.generation), ..s })
    })
}

/// `{"<BehaviorID>": [{"test_case", "generation", "label"}, ...], ...}` with the labels of `judge`: 1, 0, or -1 where
/// it is undecided. Labels of [`ADVBENCH`] become `advbench_label`. HarmBench clips generations to the 512 tokens that
/// its classifier reads; here they are whole.
///
/// # Errors
/// As [`to_completions`], and if the judge has not labelled a submission.
pub fn to_results(submissions: &[Submission], judge: &str) -> Result<String, DataError> {
    let graded = |s: &Submission| {
        let label = s.labels.get(judge).copied();
        let unjudged = "the judge has no label for it; judge it first";
        Ok(Graded {
            test_case: prompt(RESULTS, s)?,
            generation: response(RESULTS, s)?,
            label: number(label.ok_or_else(|| DataError::unrepresentable(RESULTS, &s.behaviour_id, unjudged))?),
            advbench_label: s.labels.get(ADVBENCH).copied().filter(|_| judge != ADVBENCH).map(number),
        })
    };
    json::dump(RESULTS, &grouped(submissions, graded)?)
}

/// The submissions of a `results.json`; `label` is kept under the origin's judge, `advbench_label` under [`ADVBENCH`].
///
/// # Errors
/// As [`from_test_cases`], and if a label is none of 1, 0, -1.
pub fn from_results(text: &str, origin: &Origin<'_>) -> Result<Vec<Submission>, DataError> {
    ungrouped(RESULTS, text, origin, |mut s, row: Graded| {
        if let Some(label) = row.advbench_label {
            s.labels.insert(ADVBENCH.to_owned(), outcome(&s.behaviour_id, label)?);
        }
        s.labels.insert(origin.judge.to_owned(), outcome(&s.behaviour_id, row.label)?);
        Ok(Submission { prompt: Some(row.test_case), response: Some(row.generation), ..s })
    })
}

fn prompt(format: &'static str, s: &Submission) -> Result<String, DataError> {
    if !s.forced.is_empty() {
        let what = "it has forced words, without which it is another test; export it as JSONL";
        return Err(DataError::unrepresentable(format, &s.behaviour_id, what));
    }
    let none = || DataError::unrepresentable(format, &s.behaviour_id, "it has no prompt; leave it out");
    s.prompt.clone().ok_or_else(none)
}

fn response(format: &'static str, s: &Submission) -> Result<String, DataError> {
    let none = || DataError::unrepresentable(format, &s.behaviour_id, "it has no response; ask the model first");
    s.response.clone().ok_or_else(none)
}

fn number(outcome: Outcome) -> i8 {
    match outcome {
        Outcome::Success => 1,
        Outcome::Failure => 0,
        Outcome::Undecided => -1,
    }
}

fn outcome(id: &str, label: i8) -> Result<Outcome, DataError> {
    match label {
        1 => Ok(Outcome::Success),
        0 => Ok(Outcome::Failure),
        -1 => Ok(Outcome::Undecided),
        other => Err(DataError::format(RESULTS, format!("{id:?} has the label {other}; it is one of 1, 0, -1"))),
    }
}

/// Rows by behaviour, in the order in which behaviours first appear.
fn grouped<T>(
    submissions: &[Submission],
    row: impl Fn(&Submission) -> Result<T, DataError>,
) -> Result<ById<Vec<T>>, DataError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(String, Vec<T>)> = Vec::new();
    for s in submissions {
        let place = *places.entry(&s.behaviour_id).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, rows)) => rows.push(row(s)?),
            None => groups.push((s.behaviour_id.clone(), vec![row(s)?])),
        }
    }
    Ok(ById(groups))
}

fn ungrouped<T: for<'de> Deserialize<'de>>(
    format: &'static str,
    text: &str,
    origin: &Origin<'_>,
    fill: impl Fn(Submission, T) -> Result<Submission, DataError>,
) -> Result<Vec<Submission>, DataError> {
    let groups: ById<Vec<T>> = serde_json::from_str(text).map_err(|e| DataError::format(format, e))?;
    let mut submissions = Vec::new();
    for (id, rows) in groups.0 {
        let blank = origin.submission(&id)?;
        for row in rows {
            submissions.push(fill(blank.clone(), row)?);
        }
    }
    Ok(submissions)
}
