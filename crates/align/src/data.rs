//! What a run trains on, as token ids.

use crate::AlignError;
use mosa_core::{Rng, Stream, TokenId};
use std::collections::{BTreeMap, BTreeSet};

/// A prompt, and its answer where the data has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The row's id.
    pub id: String,
    /// The rendered prompt.
    pub prompt: Vec<TokenId>,
    /// The answer without its end; empty if there is none.
    pub response: Vec<TokenId>,
    /// A safe answer to the same prompt without its end; empty if there is none, where one is drawn from [`Data::safe`].
    pub safe: Vec<TokenId>,
    /// Lowest and highest share of the answer that `sft` masks, where it is not the objective's own.
    pub masked: Option<[f64; 2]>,
}

/// Prompts and sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// The objective's prompts.
    pub records: Vec<Record>,
    /// Harmless prompts to stay the same on.
    pub retain: Vec<Record>,
    /// The refusals, each with its end token.
    pub safe: Vec<Vec<TokenId>>,
    /// The harmful sentences.
    pub harmful: Vec<Vec<TokenId>>,
}

impl Data {
    /// Refuses data nothing can be learned from: no prompts, only copies of one prompt, or prompts that leave no room
    /// for the canvas in a context of `context` tokens.
    ///
    /// # Errors
    /// [`AlignError`] naming the prompts, all that are at fault.
    pub fn check(&self, canvas: usize, context: usize) -> Result<(), AlignError> {
        let wrong = |what: &str| Err(AlignError::Setting { key: "data", what: what.into() });
        if self.records.is_empty() {
            return wrong("holds no prompts");
        }
        let distinct: BTreeSet<&[TokenId]> = self.records.iter().map(|r| r.prompt.as_slice()).collect();
        if self.records.len() > 1 && distinct.len() == 1 {
            return wrong("holds the same prompt again and again");
        }
        check_room("data", &self.records, canvas, context)?;
        check_room("retain.data", &self.retain, canvas, context)
    }
}

/// Refuses empty prompts and such that leave no room for the canvas.
fn check_room(key: &'static str, records: &[Record], canvas: usize, context: usize) -> Result<(), AlignError> {
    let empty: Vec<&str> = records.iter().filter(|r| r.prompt.is_empty()).map(|r| r.id.as_str()).collect();
    if !empty.is_empty() {
        let what = format!("holds prompts without tokens: {}", empty.join(", "));
        return Err(AlignError::Setting { key, what });
    }
    let long = records.iter().filter(|r| r.prompt.len() + canvas > context);
    let prompts: Vec<(String, usize)> = long.map(|r| (r.id.clone(), r.prompt.len())).collect();
    match prompts.is_empty() {
        true => Ok(()),
        false => Err(AlignError::PromptsTooLong { prompts, of: records.len(), canvas, context }),
    }
}

/// Refuses records without an answer, or with one that with its end does not fit the canvas.
pub(crate) fn check_answers(key: &'static str, records: &[Record], canvas: usize) -> Result<(), AlignError> {
    let named = |fits: &dyn Fn(&Record) -> bool| {
        records.iter().filter(|r| !fits(r)).map(|r| r.id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let wrong = |what: String| Err(AlignError::Setting { key, what });
    let silent = named(&|r| !r.response.is_empty());
    if !silent.is_empty() {
        return wrong(format!("needs an answer for every prompt (`response`); there is none for the prompts {silent}"));
    }
    let long = named(&|r| r.response.len() < canvas && r.safe.len() < canvas);
    if !long.is_empty() {
        return wrong(format!("has answers that with their ends do not fit canvas_length {canvas}: {long}"));
    }
    Ok(())
}

/// The numbers of the records in the batch of a step: the data in a fresh order every epoch, cut into batches.
pub(crate) fn batch(seed: u64, stream: Stream, step: usize, size: usize, records: usize) -> Vec<usize> {
    let mut orders: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (step * size..(step + 1) * size)
        .map(|i| {
            let epoch = i / records;
            let order =
                orders.entry(epoch).or_insert_with(|| Rng::at(seed, stream, epoch as u64, 0).permutation(records));
            order[i % records]
        })
        .collect()
}
