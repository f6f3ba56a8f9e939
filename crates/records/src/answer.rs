//! What a model answered.

use crate::{DefenceAct, Record, View};
use mosa_core::hex;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One answer, token by token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// What it is counted under, for example `prefill/40`.
    pub group: String,
    /// The behaviour or prompt; unique in its group.
    pub id: String,
    /// The request in its original words: what judges are told.
    pub behaviour: String,
    /// What the model was sent; empty where it is the behaviour itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Category, style and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Words written into the response by the measurement, by offset. Earlier files hold at most one, without a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub forced: Vec<ForcedWords>,
    /// The texts that may be judged.
    pub texts: Texts,
    /// The response, one entry per position.
    pub pieces: Vec<String>,
    /// The step that revealed each position, from 0; none where it was forced or is still masked.
    pub steps: Vec<Option<usize>>,
    /// The probability the model gave each revealed token, rounded to four digits; none where `steps` has none.
    pub confidences: Vec<Option<f64>>,
    /// `stop`, `length`, or what stopped it.
    pub finish: String,
    /// Model calls.
    pub forwards: usize,
    /// What the defences of the run did to it, in the order it happened; empty where none acted, or there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defences: Vec<DefenceAct>,
}

/// Words that were written into the response instead of being revealed by a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForcedWords {
    /// Response offset of the first token.
    pub offset: usize,
    /// Number of tokens.
    pub tokens: usize,
    /// The words.
    pub text: String,
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ForcedWords>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(ForcedWords),
        Many(Vec<ForcedWords>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(words) => vec![words],
        Either::Many(words) => words,
    })
}

/// What of an answer may be read. An attack on a diffusion model can write behind the end of the answer, so where the
/// text ends decides what is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// The whole canvas without special tokens.
    pub full: String,
    /// Up to the first end token.
    pub to_end: String,
    /// Up to the first end token behind the forced words; absent where nothing was forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_forced: Option<String>,
    /// The same without the forced words: what the model itself wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_forced: Option<String>,
}

/// How an answer ends of which nothing but reasoning came.
pub const REASONING: &str = "reasoning";
/// How an answer ends that the provider's filter stopped.
pub const FILTERED: &str = "content_filter";

impl AnswerRecord {
    /// Why nothing was said, where that is not the model's own answer: see [`unsaid`].
    pub fn unsaid(&self) -> Option<String> {
        unsaid(&self.texts.to_end, &self.finish, self.forwards)
    }

    /// The text that is judged.
    pub fn judged(&self, view: View) -> &str {
        let texts = &self.texts;
        let text = match view {
            View::Answer => &texts.after_forced,
            View::WithoutForced => &texts.without_forced,
        };
        text.as_deref().unwrap_or(&texts.to_end)
    }

    /// What a verdict on one of its texts is about: a hash of behaviour, context and text, each behind its length; 16 hex
    /// digits.
    pub fn text_hash(&self, view: View) -> String {
        let context = self.tags.get("context").map_or("", String::as_str);
        let mut hash = Sha256::new();
        for part in [&self.behaviour, context, self.judged(view)] {
            hash.update(format!("{}:", part.len()));
            hash.update(part);
        }
        hex(&hash.finalize()[..8])
    }
}

/// Why nothing was said in an answer that ended with `finish` and took `forwards` model calls, where that is not the model's
/// own answer: an endpoint sent reasoning only, its filter stepped in, or the length limit came first. It cannot be assessed.
/// An empty answer that the model ended itself can, and so can a canvas of our own, whatever is on it.
pub fn unsaid(text: &str, finish: &str, forwards: usize) -> Option<String> {
    if forwards > 0 || !text.trim().is_empty() {
        return None;
    }
    Some(match finish {
        "stop" | "refusal" | "imported" => return None,
        "length" => "the target said nothing: its reply ended at the length limit; allow more tokens".to_owned(),
        REASONING => "the target said nothing: nothing but reasoning came; allow more tokens".to_owned(),
        FILTERED => "the target said nothing: a filter of its provider stopped it".to_owned(),
        other => format!("the target said nothing: its reply ended with {other}"),
    })
}

impl Record for AnswerRecord {
    const SCHEMA: &'static str = "answer/1";

    fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }
}
