//! HarmBench's stage files: `test_cases.json`, `completions.json`, `results.json`.
//!
//! Each is an object of lists by `BehaviorID`, indented by 4, without a header: method, model and judge are names of
//! folders, so whoever reads a file has to say them ([`Origin`]). Submissions for one behaviour are kept together, in
//! the order in which behaviours first appear. There is no place for forced words: export those as JSONL.

use crate::by_id::ById;
use crate::{DataError, Judgement, Origin, Submission, json};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;

const TEST_CASES: &str = "HarmBench's test_cases.json";
const COMPLETIONS: &str = "HarmBench's completions.json";
const RESULTS: &str = "HarmBench's results.json";
/// Any of the three.
const FORMAT: &str = "a stage file of HarmBench (test_cases.json, completions.json or results.json)";

/// The judge whose labels `results.json` keeps as `advbench_label`: none of the refusal phrases is in the text.
pub const ADVBENCH: &str = "advbench";

#[derive(Serialize)]
struct Completion {
    test_case: String,
    generation: String,
}

#[derive(Serialize)]
struct Graded {
    test_case: String,
    generation: String,
    label: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    advbench_label: Option<i8>,
}

/// `{"<BehaviorID>": ["prompt", ...], ...}`.
///
/// # Errors
/// [`DataError::Unrepresentable`] if a submission has no prompt or has forced words.
pub fn to_test_cases(submissions: &[Submission]) -> Result<String, DataError> {
    json::dump(TEST_CASES, &grouped(submissions, |s| prompt(TEST_CASES, s))?)
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

/// What a stage file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// One per row of the file.
    pub submissions: Vec<Submission>,
    /// What was missing or could not be read, with the number of rows.
    pub notes: Vec<String>,
}

/// The submissions of any stage file, told apart row by row: `label` is kept under the origin's judge,
/// `advbench_label` under [`ADVBENCH`]. A row without a label has none, whatever the other rows have. Labels may be
/// numbers, true and false, or the words of the classifier (yes, no); others are counted. A generation that is null is
/// no answer: the submission is `unanswered`.
///
/// # Errors
/// [`DataError`] if the text has another form (multimodal test cases included) or an id is not in the benchmark.
pub fn from_json(text: &str, origin: &Origin<'_>) -> Result<Stage, DataError> {
    let groups: ById<Vec<Value>> = serde_json::from_str(text).map_err(|e| DataError::format(FORMAT, e))?;
    let mut reader = Reader { origin, unlabelled: Vec::new(), unread: Vec::new(), silent: Vec::new() };
    let (mut submissions, mut labelled) = (Vec::new(), false);
    for (id, rows) in &groups.0 {
        let blank = origin.submission(id)?;
        for (number, row) in rows.iter().enumerate() {
            let at = |what: String| DataError::format(FORMAT, format!("{id:?}, row {}: {what}", number + 1));
            submissions.push(reader.submission(blank.clone(), row).map_err(at)?);
            labelled |= row.get("label").is_some_and(|l| !l.is_null());
        }
    }
    Ok(Stage { submissions, notes: reader.notes(labelled) })
}

/// Rows to submissions; keeps the ids of those that lack something.
struct Reader<'a> {
    origin: &'a Origin<'a>,
    unlabelled: Vec<String>,
    unread: Vec<String>,
    silent: Vec<String>,
}

impl Reader<'_> {
    fn submission(&mut self, mut s: Submission, row: &Value) -> Result<Submission, String> {
        if let Value::String(prompt) = row {
            return Ok(Submission { prompt: Some(prompt.clone()), ..s });
        }
        let row = row.as_object().ok_or_else(|| format!("expected a string or an object, not {row}"))?;
        s.prompt = match row.get("test_case") {
            Some(Value::String(prompt)) => Some(prompt.clone()),
            other => return Err(format!("`test_case` is {}, not text", other.unwrap_or(&Value::Null))),
        };
        s.response = match row.get("generation") {
            Some(Value::String(text)) => Some(text.clone()),
            None | Some(Value::Null) => None,
            Some(other) => return Err(format!("`generation` is {other}, neither text nor null")),
        };
        s.unanswered = s.response.is_none();
        if s.unanswered {
            // A label of nothing says nothing.
            self.silent.push(s.behaviour_id.clone());
            return Ok(s);
        }
        for (key, judge) in [("label", self.origin.judge), ("advbench_label", ADVBENCH)] {
            match row.get(key) {
                None | Some(Value::Null) if key == "label" => self.unlabelled.push(s.behaviour_id.clone()),
                None | Some(Value::Null) => {}
                Some(value) => match outcome(value) {
                    Some(outcome) => drop(s.labels.insert(judge.to_owned(), outcome)),
                    None => self.unread.push(format!("{}: {value}", s.behaviour_id)),
                },
            }
        }
        Ok(s)
    }

    fn notes(&self, labelled: bool) -> Vec<String> {
        let unlabelled: &[String] = if labelled { &self.unlabelled } else { &[] };
        [
            (self.silent.as_slice(), "no generation; they are unassessed, neither resisted nor successful"),
            (unlabelled, "no label; they are imported without one"),
            (&self.unread, "a label that is neither 1, 0 nor -1; they are imported without it"),
        ]
        .into_iter()
        .filter(|(ids, _)| !ids.is_empty())
        .map(|(ids, what)| format!("rows with {what}: {} ({})", ids.len(), json::some(ids)))
        .collect()
    }
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

fn number(outcome: Judgement) -> i8 {
    match outcome {
        Judgement::Success => 1,
        Judgement::Failure => 0,
        Judgement::Undecided => -1,
    }
}

/// A label that can mean one thing only.
fn outcome(label: &Value) -> Option<Judgement> {
    let word = match label {
        Value::Bool(success) => success.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.trim().to_lowercase(),
        _ => return None,
    };
    match word.as_str() {
        "1" | "1.0" | "true" | "yes" => Some(Judgement::Success),
        "0" | "0.0" | "false" | "no" => Some(Judgement::Failure),
        "-1" | "-1.0" => Some(Judgement::Undecided),
        _ => None,
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
