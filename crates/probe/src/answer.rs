//! A request of a probe, and its answer as a record.

use crate::ProbeError;
use mosa_core::{Cause, Interrupt, TokenId};
use mosa_engine::{Answer, Batching, Options, Request, generate};
use mosa_model::Adapted;
use mosa_records::{AnswerRecord, ForcedWords, Texts};
use mosa_text::{Specials, TextModel};
use std::collections::BTreeMap;

/// What is probed: a model, perhaps with an adapter, and its tokeniser.
#[derive(Clone, Copy)]
pub struct Probed<'a> {
    /// Model and adapter.
    pub subject: Adapted<'a>,
    /// How the cases of a batch share passes.
    pub batching: Batching,
    /// Tokeniser, chat template, special ids.
    pub text: &'a TextModel,
    /// Ends the decoding of a batch.
    pub stop: &'a Interrupt,
}

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
    /// Response offset, tokens and words written before the first step.
    pub forced: Option<(usize, Vec<TokenId>, String)>,
}

impl Case {
    /// Key of its record.
    pub fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }

    fn request(&self, options: &Options) -> Request {
        let forced = self.forced.iter().flat_map(|(at, tokens, _)| (*at..).zip(tokens.iter().copied()));
        Request::new(self.key(), self.prompt.clone(), options).with_forced(forced)
    }
}

/// Decodes the cases together; one record per case, in order. Once a stop is asked for, only the first ones that are
/// complete.
///
/// # Errors
/// [`ProbeError`] if a case does not fit the model or decoding fails.
pub fn answer(probed: Probed<'_>, options: &Options, cases: &[Case]) -> Result<Vec<AnswerRecord>, ProbeError> {
    let requests = cases.iter().map(|case| case.request(options)).collect();
    let answers = generate(probed.subject, probed.batching, requests, &mut probed.stop.clone())?;
    answers.iter().map_while(Option::as_ref).zip(cases).map(|(a, case)| record(probed.text, a, case)).collect()
}

fn record(text: &TextModel, answer: &Answer, case: &Case) -> Result<AnswerRecord, ProbeError> {
    let forced = case.forced.as_ref().map(|(at, tokens, _)| (*at, at + tokens.len()));
    let shown = shown(text, answer, case.prompt.len(), forced)?;
    Ok(AnswerRecord {
        group: case.group.clone(),
        id: case.id.clone(),
        behaviour: case.behaviour.clone(),
        prompt: case.sent.clone(),
        tags: case.tags.clone(),
        forced: (case.forced.iter())
            .map(|(offset, tokens, text)| ForcedWords { offset: *offset, tokens: tokens.len(), text: text.clone() })
            .collect(),
        texts: shown.texts,
        pieces: shown.pieces,
        steps: shown.steps,
        confidences: shown.confidences,
        finish: shown.finish,
        forwards: answer.forwards,
    })
}

/// What a reader sees of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The texts that may be judged.
    pub texts: Texts,
    /// The response, one entry per position.
    pub pieces: Vec<String>,
    /// The step that revealed each position; none where it was forced.
    pub steps: Vec<Option<usize>>,
    /// The probability of each revealed token, rounded to four digits.
    pub confidences: Vec<Option<f64>>,
    /// `stop`, `length`, `unfinished`, or what stopped it.
    pub finish: String,
}

/// Texts, pieces and steps of an answer to a prompt of `prompt` tokens; `forced` is the range of response offsets in
/// which words were written from outside.
///
/// # Errors
/// [`ProbeError`] if the tokeniser fails.
pub fn shown(
    text: &TextModel,
    answer: &Answer,
    prompt: usize,
    forced: Option<(usize, usize)>,
) -> Result<Shown, ProbeError> {
    let (mut steps, mut confidences) = (vec![None; answer.ids.len()], vec![None; answer.ids.len()]);
    for step in &answer.trace.steps {
        for edit in &step.edits {
            let Some(at) = edit.position.checked_sub(prompt).filter(|at| *at < steps.len()) else {
                continue;
            };
            let committed = edit.cause == Cause::Committed;
            steps[at] = committed.then_some(step.step.clock as usize);
            confidences[at] = edit.confidence.filter(|_| committed).map(rounded);
        }
    }
    Ok(Shown {
        texts: texts(text, &answer.ids, forced)?,
        pieces: pieces(text, &answer.ids)?,
        steps,
        confidences,
        finish: answer.finish.name().to_owned(),
    })
}

fn rounded(p: f32) -> f64 {
    (f64::from(p) * 1e4).round() / 1e4
}

/// The texts that may be judged; `forced` is the range of the forced words.
fn texts(text: &TextModel, ids: &[TokenId], forced: Option<(usize, usize)>) -> Result<Texts, ProbeError> {
    let ends = text.special.ends();
    let decode = |ids: &[TokenId]| text.tokenizer.decode(ids, Specials::Skip);
    let end_from = |from: usize| (from..ids.len()).find(|&i| ends.contains(&ids[i])).unwrap_or(ids.len());
    let (mut after_forced, mut without_forced) = (None, None);
    // A row that an intervention stopped may end before the words that were forced.
    if let Some((from, to)) = forced.map(|(from, to)| (from.min(ids.len()), to.min(ids.len()))) {
        let end = end_from(to);
        after_forced = Some(decode(&ids[..end])?);
        without_forced = Some(decode(&[&ids[..from], &ids[to..end]].concat())?);
    }
    Ok(Texts { full: decode(ids)?, to_end: text.answer(ids)?, after_forced, without_forced })
}

/// The text that every token adds to those before it, special tokens included. A character of several tokens appears
/// with its last one.
fn pieces(text: &TextModel, ids: &[TokenId]) -> Result<Vec<String>, ProbeError> {
    let mut before = String::new();
    let mut all = Vec::with_capacity(ids.len());
    for n in 1..=ids.len() {
        let whole = text.tokenizer.decode(&ids[..n], Specials::Keep)?;
        let stable = whole.trim_end_matches('\u{fffd}');
        match stable.strip_prefix(before.as_str()) {
            Some(new) => {
                all.push(new.to_owned());
                before = stable.to_owned();
            }
            // A decoder that rewrites what stands before: the token on its own.
            None => {
                all.push(text.tokenizer.decode(&ids[n - 1..n], Specials::Keep)?);
                before = whole;
            }
        }
    }
    Ok(all)
}
