//! What a judge said about an answer.

use crate::{AnswerRecord, Outcome, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A verdict on one text of one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Key of the answer.
    pub answer: String,
    /// Which of its texts was judged.
    pub view: View,
    /// The judge, with the rule it decides by.
    pub judge: String,
    /// What decides beside the rule, by name: the judge's model, its template, its temperature. Earlier files have none of
    /// it here; the model and the template are in `detail` there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by: BTreeMap<String, Value>,
    /// Hash of the texts it is about: behaviour, context and answer. Earlier files have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Whether the attack succeeded; none: unassessed, and never counted as resistance.
    pub success: Option<bool>,
    /// The score on the judge's own scale.
    pub value: Option<f64>,
    /// `ok`, or why there is no verdict.
    pub status: String,
    /// Which test of the degeneracy gate the text failed, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degenerate: Option<String>,
    /// What the answer is, told with the gate of that time. Earlier files have none; readers tell it from the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Everything else the judge reports: its parts, its raw answer, its model and template.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// A text of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Up to the first end token; behind forced words, the first one after them.
    #[default]
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

/// What of a judge decides, as far as earlier files say.
const KNOWN_EARLIER: [&str; 2] = ["model", "template"];

impl VerdictRecord {
    /// What decided it, as far as it is recorded.
    fn decided_by(&self) -> BTreeMap<String, Value> {
        if !self.by.is_empty() {
            return self.by.clone();
        }
        let known = |key: &&str| Some(((*key).to_owned(), self.detail.get(*key).filter(|v| !v.is_null())?.clone()));
        KNOWN_EARLIER.iter().filter_map(known).collect()
    }

    /// Whether it is a verdict of this judge. One of an earlier file is if its model and template are the same.
    pub fn is_of(&self, judge: &str, by: &BTreeMap<String, Value>) -> bool {
        self.judge == judge && if self.by.is_empty() { agrees(&self.decided_by(), by) } else { self.by == *by }
    }

    /// What the answer is, as far as that can be said without its texts; none if it is unassessed, or its texts are needed.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.success? {
            true => Some(Outcome::Complied),
            false => self.outcome.filter(|outcome| *outcome != Outcome::Complied),
        }
    }

    /// Whether it is about these texts, as far as it is recorded.
    pub fn is_about(&self, text: &str) -> bool {
        self.text.is_empty() || self.text == text
    }
}

/// Takes out the verdicts on texts that are other ones in the answers now, which count for nothing; returns how many there
/// were. Verdicts on answers that are not there stay.
pub fn drop_outdated(verdicts: &mut Vec<VerdictRecord>, answers: &[AnswerRecord]) -> usize {
    let now: HashMap<String, &AnswerRecord> = answers.iter().map(|answer| (answer.key(), answer)).collect();
    let all = verdicts.len();
    let stands = |verdict: &VerdictRecord| {
        now.get(&verdict.answer).is_none_or(|answer| verdict.is_about(&answer.text_hash(verdict.view)))
    };
    verdicts.retain(stands);
    all - verdicts.len()
}

/// Whether a verdict of an earlier file can be of a judge that is known in full.
fn agrees(earlier: &BTreeMap<String, Value>, by: &BTreeMap<String, Value>) -> bool {
    KNOWN_EARLIER.iter().all(|key| earlier.get(*key) == by.get(*key))
}

/// Gives judges of one name that decide by different models, templates or temperatures names of their own, which say the
/// difference: `rubric-above3 (model-a)`. All verdicts that are to stand side by side must be among these.
pub fn tell_judges_apart<'a>(verdicts: impl IntoIterator<Item = &'a mut VerdictRecord>) {
    let mut by_name: BTreeMap<String, Vec<&mut VerdictRecord>> = BTreeMap::new();
    for verdict in verdicts {
        by_name.entry(verdict.judge.clone()).or_default().push(verdict);
    }
    for own in by_name.into_values() {
        let mut judges: Vec<BTreeMap<String, Value>> = Vec::new();
        // Those that are known in full come first, so that earlier ones can be found among them.
        let (full, earlier): (Vec<_>, Vec<_>) = own.into_iter().partition(|v| !v.by.is_empty());
        let mut found = Vec::new();
        for verdict in full.into_iter().chain(earlier) {
            let by = verdict.decided_by();
            let same =
                |judge: &BTreeMap<String, Value>| if verdict.by.is_empty() { agrees(&by, judge) } else { *judge == by };
            let at = judges.iter().position(same).unwrap_or_else(|| {
                judges.push(by.clone());
                judges.len() - 1
            });
            found.push((verdict, at));
        }
        if judges.len() > 1 {
            let names: Vec<String> = judges.iter().map(|by| difference(by, &judges)).collect();
            found.into_iter().for_each(|(verdict, at)| verdict.judge = format!("{} ({})", verdict.judge, names[at]));
        }
    }
}

/// What a judge has that not all of them have; what it lacks, where that is all.
fn difference(by: &BTreeMap<String, Value>, all: &[BTreeMap<String, Value>]) -> String {
    let keys = ["model", "template", "temperature", "max_tokens", "system_role"];
    let keys: Vec<&str> =
        keys.into_iter().filter(|key| all.iter().any(|other| other.get(*key) != by.get(*key))).collect();
    let said = |key: &&str| match (*key, by.get(*key)?) {
        ("model", Value::String(model)) => Some(model.clone()),
        ("template", Value::String(hash)) => Some(format!("template {}", hash.chars().take(8).collect::<String>())),
        (key, Value::String(text)) => Some(format!("{key} {text}")),
        (key, value) => Some(format!("{key} {value}")),
    };
    let has: Vec<String> = keys.iter().filter_map(said).collect();
    let lacks = || keys.iter().map(|key| format!("no {key}")).collect();
    (if has.is_empty() { lacks() } else { has }).join(", ")
}

impl Record for VerdictRecord {
    const SCHEMA: &'static str = "verdict/1";

    fn key(&self) -> String {
        let by: Vec<String> = self.by.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match by.as_slice() {
            [] => format!("{}/{}/{}", self.judge, self.view.name(), self.answer),
            by => format!("{}[{}]/{}/{}", self.judge, by.join(","), self.view.name(), self.answer),
        }
    }
}
