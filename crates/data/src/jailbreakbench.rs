//! JailbreakBench's attack artifacts: one JSON file for a method and a model.

use crate::by_id::ById;
use crate::words::words;
use crate::{Behaviour, Benchmark, DataError, Judgement, Submission, json, lenient};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

const FORMAT: &str = "JailbreakBench's artifact";

/// A whole artifact file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// How the prompts were made and judged, and what came out.
    pub parameters: Parameters,
    /// One entry per behaviour.
    pub jailbreaks: Vec<Jailbreak>,
}

/// How the prompts of an artifact were made and judged. What a file leaves out stays empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// The attack.
    pub method: String,
    /// The model.
    pub model: String,
    /// `white_box`, `black_box`, `transfer` or `manual`.
    pub attack_type: String,
    /// The defence, if there is one.
    pub defense: Option<String>,
    /// Successes over all behaviours, those without a prompt included.
    #[serde(deserialize_with = "lenient::number")]
    pub attack_success_rate: f64,
    /// Number of successes.
    #[serde(deserialize_with = "lenient::count")]
    pub total_number_of_jailbreaks: u64,
    /// Number of behaviours with a prompt.
    #[serde(deserialize_with = "lenient::count")]
    pub number_of_submitted_prompts: u64,
    /// Queries in all.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub total_number_of_queries: Option<u64>,
    /// Prompt tokens in all.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub total_prompt_tokens: Option<u64>,
    /// Response tokens in all.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub total_response_tokens: Option<u64>,
    /// `YYYY-MM-DD`.
    pub evaluation_date: String,
    /// Who served the model.
    pub evaluation_llm_provider: String,
    /// Settings of the attack.
    pub method_parameters: Map<String, Value>,
}

/// What became of one behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jailbreak {
    /// Its row in the benchmark, from 0.
    #[serde(deserialize_with = "lenient::count")]
    pub index: usize,
    /// The request.
    pub goal: String,
    /// Its short name, by which submissions are keyed.
    pub behavior: String,
    /// Its category.
    #[serde(default)]
    pub category: String,
    /// What was sent; none: the attack found nothing to send.
    pub prompt: Option<String>,
    /// What the model answered.
    pub response: Option<String>,
    /// Queries of the attack.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub number_of_queries: Option<u64>,
    /// Queries up to the first success.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub queries_to_jailbreak: Option<u64>,
    /// Tokens of the prompt.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub prompt_tokens: Option<u64>,
    /// Tokens of the response.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub response_tokens: Option<u64>,
    /// What the judge says.
    #[serde(deserialize_with = "lenient::truth")]
    pub jailbroken: bool,
}

/// The artifact of one method: an entry for every behaviour of the benchmark, empty where nothing was submitted, with
/// the labels of `judge`. The rates and counts of `parameters`, and its method, are replaced by the submissions' own.
///
/// # Errors
/// [`DataError::Unrepresentable`] if a behaviour has two submissions, another attack's one, forced words, or a response
/// without a label of success or failure; [`DataError::UnknownId`] if one is not in the benchmark.
pub fn to_artifact(
    benchmark: &Benchmark,
    submissions: &[Submission],
    judge: &str,
    parameters: Parameters,
) -> Result<Artifact, DataError> {
    let mut seen = HashSet::new();
    let method = submissions.first().map_or(parameters.method.clone(), |s| s.attack.clone());
    for s in submissions {
        benchmark.get(&s.behaviour_id).ok_or_else(|| benchmark.unknown(&s.behaviour_id))?;
        if s.attack != method {
            let what = "it is of another attack than the first; export one attack at a time";
            return Err(DataError::unrepresentable(FORMAT, &s.behaviour_id, what));
        }
        alone(s, &mut seen)?;
    }
    let by_id: HashMap<&str, &Submission> = submissions.iter().map(|s| (s.behaviour_id.as_str(), s)).collect();
    let entry = |b: &Behaviour| jailbreak(b, by_id.get(b.id.as_str()).copied(), judge);
    let jailbreaks = benchmark.behaviours.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    Ok(Artifact { parameters: counted(Parameters { method, ..parameters }, &jailbreaks), jailbreaks })
}

fn jailbreak(behaviour: &Behaviour, s: Option<&Submission>, judge: &str) -> Result<Jailbreak, DataError> {
    let jailbroken = match s.and_then(|s| s.labels.get(judge)) {
        Some(Judgement::Success) => true,
        Some(Judgement::Failure) => false,
        None if s.is_none_or(|s| s.response.is_none()) => false,
        Some(Judgement::Undecided) | None => {
            let what = "the judge says neither success nor failure; judge it again or leave it out";
            return Err(DataError::unrepresentable(FORMAT, &behaviour.id, what));
        }
    };
    Ok(Jailbreak {
        index: behaviour.index,
        goal: behaviour.text.clone(),
        behavior: behaviour.id.clone(),
        category: behaviour.category.clone().unwrap_or_default(),
        prompt: s.and_then(|s| s.prompt.clone()),
        response: s.and_then(|s| s.response.clone()),
        number_of_queries: s.and_then(|s| s.queries),
        queries_to_jailbreak: None,
        prompt_tokens: None,
        response_tokens: None,
        jailbroken,
    })
}

fn counted(parameters: Parameters, jailbreaks: &[Jailbreak]) -> Parameters {
    let successes = jailbreaks.iter().filter(|j| j.jailbroken).count();
    let asked = jailbreaks.iter().filter(|j| j.prompt.is_some() || j.number_of_queries.is_some());
    let queries: Option<u64> = asked.map(|j| j.number_of_queries).sum();
    Parameters {
        attack_success_rate: if jailbreaks.is_empty() { 0.0 } else { successes as f64 / jailbreaks.len() as f64 },
        total_number_of_jailbreaks: successes as u64,
        number_of_submitted_prompts: jailbreaks.iter().filter(|j| j.prompt.is_some()).count() as u64,
        total_number_of_queries: queries,
        ..parameters
    }
}

/// The file's text.
///
/// # Errors
/// [`DataError::Format`] if serialisation fails.
pub fn to_json(artifact: &Artifact) -> Result<String, DataError> {
    json::dump(FORMAT, artifact)
}

/// The artifact in a file's text.
///
/// # Errors
/// [`DataError::Format`] if it has another form.
pub fn from_json(text: &str) -> Result<Artifact, DataError> {
    serde_json::from_str(text).map_err(|e| DataError::format(FORMAT, e))
}

/// The submissions of an artifact, behaviours without a prompt included; labels are kept under `judge` where there is a
/// response.
pub fn from_artifact(artifact: &Artifact, judge: &str) -> Vec<Submission> {
    let submission = |j: &Jailbreak| Submission {
        behaviour_id: j.behavior.clone(),
        behaviour: j.goal.clone(),
        attack: artifact.parameters.method.clone(),
        prompt: j.prompt.clone(),
        response: j.response.clone(),
        labels: judged(j).map(|outcome| (judge.to_owned(), outcome)).into_iter().collect(),
        queries: j.number_of_queries,
        ..Submission::default()
    };
    artifact.jailbreaks.iter().map(submission).collect()
}

/// An artifact with the names and words of a benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The artifact.
    pub artifact: Artifact,
    /// What differed.
    pub notes: Vec<String>,
}

/// The artifact with the names and words of the benchmark. Entries belong to the behaviour of their
/// name, or, where that is written otherwise, to the one of their index, if the goals share most of their words; those
/// that fit none stay as they are.
pub fn fitted(mut artifact: Artifact, benchmark: &Benchmark) -> Fitted {
    let (mut reworded, mut renamed) = (Vec::new(), Vec::new());
    for j in &mut artifact.jailbreaks {
        let Some(behaviour) = counterpart(j, benchmark) else { continue };
        if j.behavior != behaviour.id {
            renamed.push(behaviour.id.clone());
            j.behavior.clone_from(&behaviour.id);
        }
        if !j.goal.split_whitespace().eq(behaviour.text.split_whitespace()) {
            reworded.push(behaviour.id.clone());
            j.goal.clone_from(&behaviour.text);
        }
    }
    let said = |ids: &[String], what: &str| format!("entries {what}: {} ({})", ids.len(), json::some(ids));
    let notes = [
        (reworded, "whose goal is worded otherwise than in the benchmark, whose words judges are told"),
        (renamed, "whose behaviour is named otherwise than in the benchmark, found by their index"),
    ];
    let notes = notes.iter().filter(|(ids, _)| !ids.is_empty()).map(|(ids, what)| said(ids, what)).collect();
    Fitted { artifact, notes }
}

/// The behaviour of an entry.
fn counterpart<'a>(j: &Jailbreak, benchmark: &'a Benchmark) -> Option<&'a Behaviour> {
    let alike = |b: &&Behaviour| similar(&j.goal, &b.text);
    match benchmark.get(&j.behavior) {
        Some(named) => Some(named).filter(|b| b.index == j.index || alike(b)),
        None => benchmark.behaviours.iter().find(|b| b.index == j.index).filter(alike),
    }
}

/// Whether two texts share at least half of their words.
fn similar(a: &str, b: &str) -> bool {
    let (a, b): (HashSet<String>, HashSet<String>) = (words(a).into_iter().collect(), words(b).into_iter().collect());
    2 * a.intersection(&b).count() >= a.union(&b).count()
}

/// Without a response there was nothing to judge.
fn judged(j: &Jailbreak) -> Option<Judgement> {
    match j.jailbroken {
        true => Some(Judgement::Success),
        false => j.response.as_ref().map(|_| Judgement::Failure),
    }
}

/// What JailbreakBench's own evaluation takes: `{model: {Behavior: prompt or null}}`.
///
/// # Errors
/// [`DataError::Unrepresentable`] if a behaviour has two submissions, or one with forced words.
pub fn to_prompts(model: &str, submissions: &[Submission]) -> Result<String, DataError> {
    let mut seen = HashSet::new();
    for s in submissions {
        alone(s, &mut seen)?;
    }
    let prompts = ById(submissions.iter().map(|s| (s.behaviour_id.clone(), s.prompt.clone())).collect());
    json::dump(FORMAT, &ById(vec![(model.to_owned(), prompts)]))
}

/// Refuses forced words and a second submission for a behaviour.
fn alone<'a>(s: &'a Submission, seen: &mut HashSet<&'a str>) -> Result<(), DataError> {
    let what = match () {
        () if !s.forced.is_empty() => "it has forced words, without which it is another test; export it as JSONL",
        () if !seen.insert(&s.behaviour_id) => "it is the second one; keep one submission for a behaviour",
        () => return Ok(()),
    };
    Err(DataError::unrepresentable(FORMAT, &s.behaviour_id, what))
}
