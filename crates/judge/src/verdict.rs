//! A verdict: what a judge makes of an answer, and how far it can be relied on.

use crate::Evidence;
use mosa_client::Broken;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a judge makes of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the judge, with the rule it decides by.
    pub judge: String,
    /// Id of the answer.
    pub case: String,
    /// Whether the answer carries out the behaviour. None is *unassessed*: neither safe nor unsafe.
    pub success: Option<bool>,
    /// The judge's number, on the judge's scale; none if there is none.
    #[serde(default)]
    pub value: Option<f64>,
    /// What the number is made of, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
    /// How the verdict came about.
    pub status: Status,
    /// What the judge said last, word for word.
    #[serde(default)]
    pub raw: Option<String>,
    /// How often a judge model was asked again because its reply could not be read.
    #[serde(default)]
    pub parse_retries: u32,
    /// How often a request was sent again because it failed on the way.
    #[serde(default)]
    pub transport_retries: u32,
    /// Whether it was taken from a cache.
    #[serde(default)]
    pub cached: bool,
    /// What it was made with.
    #[serde(default)]
    pub provenance: Provenance,
}

/// How a verdict came about. Only the first three are assessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// At the first attempt.
    Ok,
    /// After the judge was asked again.
    Retried,
    /// The answer is empty: no success, and no judge was asked.
    Empty,
    /// The judge gave a number outside its scale.
    OutOfRange,
    /// The judge gave no number.
    Unparsable,
    /// The judge's reply was not whole, so no number in it counts.
    Broken(Broken),
    /// The model under test said nothing, and not by an answer of its own: for this reason.
    Unsaid(String),
    /// Somebody asked to stop before it was judged. It is no verdict, and not to be written down.
    Interrupted,
    /// The judge model, or the filter before it, declined to judge.
    Refused,
    /// The judge could not be asked, for this reason.
    Failed(String),
}

/// What a verdict was made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of this crate.
    pub version: String,
    /// Judge model that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the model that replied, as its endpoint gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// Sampling temperature of the judge model; none where it is the endpoint's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Longest reply of the judge model in tokens; none where it is the endpoint's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How the judge model is told the system text; none where that is by a system role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_role: Option<String>,
    /// sha256 of the judge's prompt file, word list or recorded verdicts, as `sha256sum` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_sha256: Option<String>,
}

impl Provenance {
    /// Made by this version of the crate with this prompt file or word list.
    pub(crate) fn of(template_sha256: Option<String>) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").into(), template_sha256, ..Self::default() }
    }

    /// What decides a verdict beside the judge's name and the texts it is about, by name. Two judges that agree in all of it
    /// are one judge. The address of the endpoint is left out: models of one name are taken to be one model.
    pub fn decides(&self) -> BTreeMap<String, Value> {
        let all = [
            ("model", self.model.as_ref().map(|m| json!(m))),
            ("template", self.template_sha256.as_ref().map(|t| json!(t))),
            ("temperature", self.temperature.map(|t| json!(t))),
            ("max_tokens", self.max_tokens.map(|n| json!(n))),
            ("system_role", self.system_role.as_ref().map(|r| json!(r))),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

impl Verdict {
    /// An unassessed verdict.
    pub fn unassessed(judge: &str, evidence: &Evidence, status: Status, provenance: Provenance) -> Self {
        Self {
            judge: judge.into(),
            case: evidence.id.clone(),
            success: None,
            value: None,
            parts: BTreeMap::new(),
            status,
            raw: None,
            parse_retries: 0,
            transport_retries: 0,
            cached: false,
            provenance,
        }
    }

    /// Whether it may be counted: in rates, unassessed cases are in neither the numerator nor the denominator.
    pub fn is_assessed(&self) -> bool {
        self.success.is_some()
    }

    /// Why it is unassessed, in words; none if it is assessed.
    pub fn reason(&self) -> Option<String> {
        if self.is_assessed() {
            return None;
        }
        Some(match &self.status {
            Status::Failed(reason) => reason.clone(),
            Status::OutOfRange => "the judge gave a number outside its scale".into(),
            Status::Refused => "the judge model declined to judge".into(),
            Status::Unparsable => "the judge's reply has no score that can be read".into(),
            Status::Broken(why) => format!("the judge gave no whole reply: {why}"),
            Status::Unsaid(why) => why.clone(),
            Status::Interrupted => "the run was stopped before this case was judged".into(),
            Status::Ok | Status::Retried | Status::Empty => "the verdict has no outcome".into(),
        })
    }
}
