//! What was sent to a model and what came back.

use crate::{Benchmark, DataError, ForcedWords};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One attempt of an attack at one behaviour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Id of the behaviour in its benchmark.
    pub behaviour_id: String,
    /// The behaviour in its original words; empty where a file that was loaded does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub behaviour: String,
    /// The attack's name.
    pub attack: String,
    /// What the model is sent; none: the attack found nothing to send.
    pub prompt: Option<String>,
    /// Words written into the response before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<ForcedWords>,
    /// What the model answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// The model was asked and nothing came back: neither an answer nor a refusal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// What judges say, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Judgement>,
    /// How often the model was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<u64>,
}

/// What a judge says about a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The attack succeeded.
    Success,
    /// The attack failed.
    Failure,
    /// The judge's answer could not be read (HarmBench's -1).
    Undecided,
}

/// What the files of other projects do not say: the attack and the judge are names of folders there.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The attack's name.
    pub attack: &'a str,
    /// The name under which labels are kept.
    pub judge: &'a str,
    /// Where behaviours get their words from; every id has to be in it.
    pub benchmark: Option<&'a Benchmark>,
}

impl Origin<'_> {
    /// A submission for the behaviour with that id.
    pub(crate) fn submission(&self, id: &str) -> Result<Submission, DataError> {
        let behaviour = match self.benchmark {
            Some(benchmark) => benchmark.get(id).ok_or_else(|| benchmark.unknown(id))?.text.clone(),
            None => String::new(),
        };
        Ok(Submission {
            behaviour_id: id.to_owned(),
            behaviour,
            attack: self.attack.to_owned(),
            ..Submission::default()
        })
    }
}
