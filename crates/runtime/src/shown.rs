//! What a reader sees of an answer.

use mosa_core::{Cause, TokenId};
use mosa_engine::Answer;
use mosa_records::{DefenceAct, Texts};
use mosa_text::{Specials, TextError, TextModel};
use std::ops::Range;

/// An answer in words, token by token.
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
    /// Model calls, those of defences included.
    pub forwards: usize,
    /// What defences did.
    pub defences: Vec<DefenceAct>,
}

impl Shown {
    /// Words that a defence says instead of the model.
    pub(crate) fn said(text: &str, by: &str, forwards: usize) -> Self {
        Self {
            texts: Texts { full: text.into(), to_end: text.into(), after_forced: None, without_forced: None },
            pieces: vec![text.into()],
            steps: vec![None],
            confidences: vec![None],
            finish: by.into(),
            forwards,
            defences: Vec::new(),
        }
    }

    /// Texts, pieces and steps of an answer to a prompt of `prompt` tokens; `written` are the response offsets between which
    /// words were written from outside.
    ///
    /// # Errors
    /// [`TextError`] if the tokeniser fails.
    pub fn of(
        text: &TextModel,
        answer: &Answer,
        prompt: usize,
        written: Option<Range<usize>>,
    ) -> Result<Self, TextError> {
        let (mut steps, mut confidences) = (vec![None; answer.ids.len()], vec![None; answer.ids.len()]);
        for step in &answer.trace.steps {
            for edit in &step.edits {
                let Some(at) = edit.position.checked_sub(prompt).filter(|at| *at < steps.len()) else {
                    continue;
                };
                // A revision leaves the step as it is: the position was revealed before.
                if edit.cause != Cause::Revised {
                    steps[at] = (edit.cause == Cause::Committed).then_some(step.step.clock as usize);
                }
                confidences[at] = edit.confidence.map(rounded);
            }
        }
        Ok(Self {
            texts: texts(text, &answer.ids, written)?,
            pieces: pieces(text, &answer.ids)?,
            steps,
            confidences,
            finish: answer.finish.name().to_owned(),
            forwards: answer.forwards,
            defences: Vec::new(),
        })
    }
}

/// A probability as answers show it: four digits.
pub(crate) fn rounded(p: f32) -> f64 {
    (f64::from(p) * 1e4).round() / 1e4
}

/// The texts that may be judged.
fn texts(text: &TextModel, ids: &[TokenId], written: Option<Range<usize>>) -> Result<Texts, TextError> {
    let ends = text.special.ends();
    let decode = |ids: &[TokenId]| text.tokenizer.decode(ids, Specials::Skip);
    let end_from = |from: usize| (from..ids.len()).find(|&i| ends.contains(&ids[i])).unwrap_or(ids.len());
    let (mut after_forced, mut without_forced) = (None, None);
    // A row that an intervention stopped may end before the words that were forced.
    if let Some((from, to)) = written.map(|w| (w.start.min(ids.len()), w.end.min(ids.len()))) {
        let end = end_from(to);
        after_forced = Some(decode(&ids[..end])?);
        without_forced = Some(decode(&[&ids[..from], &ids[to..end]].concat())?);
    }
    Ok(Texts { full: decode(ids)?, to_end: text.answer(ids)?, after_forced, without_forced })
}

/// The text that every token adds to those before it, special tokens included. A character of several tokens appears
/// with its last one.
fn pieces(text: &TextModel, ids: &[TokenId]) -> Result<Vec<String>, TextError> {
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
