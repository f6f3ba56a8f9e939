//! A request of a probe, and its answer as a record.

use crate::ProbeError;
use mosa_core::TokenId;
use mosa_engine::{Options, Request};
use mosa_records::{AnswerRecord, ForcedWords};
use mosa_runtime::{Ask, Runtime, RuntimeError, Shown, When, Words, Written};
use mosa_text::Prompt;
use std::collections::BTreeMap;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is counted under.
    pub group: String,
    /// Unique in its group.
    pub id: String,
    /// The request in its original words.
    pub behaviour: String,
    /// What the model is sent; empty where it is the behaviour itself.
    pub sent: String,
    /// Category, style and the like.
    pub tags: BTreeMap<String, String>,
    /// The prompt as tokens.
    pub prompt: Vec<TokenId>,
    /// The same in words, which defences may put others around.
    pub words: Prompt,
    /// What stands in the answer before the first step.
    pub forced: Option<ForcedPhrase>,
}

/// A phrase that is forced into an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedPhrase {
    /// Response offset of its first token.
    pub offset: usize,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// Its words.
    pub text: String,
}

impl Case {
    /// Key of its record.
    pub fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }

    /// The plain request of the engine, without what is forced and without defences.
    pub(crate) fn request(&self, options: &Options) -> Request {
        Request::new(self.key(), self.prompt.clone(), options)
    }

    /// The plain request in words, without what is forced.
    pub(crate) fn plain(&self) -> Ask {
        Ask::new(self.key(), self.words.clone())
    }

    pub(crate) fn ask(&self) -> Ask {
        let write = |phrase: &ForcedPhrase| Written {
            offset: phrase.offset,
            words: Words::Tokens(phrase.tokens.clone()),
            when: When::Step(0),
            remask: false,
        };
        let written = self.forced.iter().map(write).collect();
        Ask { written, ..Ask::new(self.key(), self.words.clone()) }
    }

    fn record(&self, shown: Shown) -> AnswerRecord {
        let forced = |phrase: &ForcedPhrase| ForcedWords {
            offset: phrase.offset,
            tokens: phrase.tokens.len(),
            text: phrase.text.clone(),
        };
        AnswerRecord {
            group: self.group.clone(),
            id: self.id.clone(),
            behaviour: self.behaviour.clone(),
            prompt: self.sent.clone(),
            tags: self.tags.clone(),
            forced: self.forced.iter().map(forced).collect(),
            texts: shown.texts,
            pieces: shown.pieces,
            steps: shown.steps,
            confidences: shown.confidences,
            finish: shown.finish,
            forwards: shown.forwards,
            defences: shown.defences,
        }
    }
}

/// Decodes the cases together; one record per case, in order. Once a stop is asked for, only the first ones that are
/// complete.
///
/// # Errors
/// [`ProbeError`] if a case does not fit the model or decoding fails.
pub fn answer(runtime: &Runtime, options: &Options, cases: &[Case]) -> Result<Vec<AnswerRecord>, ProbeError> {
    let asked: Vec<Ask> = cases.iter().map(Case::ask).collect();
    let shown = complete(runtime.answer(options, &asked)?)?;
    Ok(shown.into_iter().zip(cases).map(|(shown, case)| case.record(shown)).collect())
}

/// The first results, up to the one that a stop left open.
pub(crate) fn complete<T>(results: Vec<Result<T, RuntimeError>>) -> Result<Vec<T>, ProbeError> {
    let answered = |result: Result<T, RuntimeError>| match result {
        Err(RuntimeError::Interrupted) => None,
        result => Some(result.map_err(ProbeError::from)),
    };
    results.into_iter().map_while(answered).collect()
}
