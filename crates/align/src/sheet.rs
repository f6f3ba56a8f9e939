//! How examples become the rows of a pass.

use crate::{AlignError, Example};
use mosa_core::TokenId;
use mosa_model::{Attention, Row};
use std::borrow::Cow;

/// The rows of some examples, sheet after sheet.
pub(crate) struct Sheets<'a> {
    rows: Vec<(Cow<'a, [TokenId]>, Attention)>,
    /// The first row of every example.
    first: Vec<usize>,
}

impl<'a> Sheets<'a> {
    /// `rule` says whom a token of a canvas sees.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if an example says what is written in earlier blocks, and the rule knows none.
    pub(crate) fn new(examples: &'a [Example], rule: Attention) -> Result<Self, AlignError> {
        let mut sheets = Self { rows: Vec::new(), first: Vec::new() };
        for example in examples {
            sheets.first.push(sheets.rows.len());
            if example.written.is_empty() {
                sheets.rows.push((Cow::Borrowed(&example.canvas), rule));
            }
            for written in &example.written {
                let Attention::BlockCausal { block } = rule else {
                    let what = "= \"teacher\" is for models whose blocks see those before them".into();
                    return Err(AlignError::Setting { key: "canvas", what });
                };
                sheets.rows.push(taught(example, written, block));
            }
        }
        Ok(sheets)
    }

    /// The row of a sheet.
    pub(crate) fn row(&self, example: usize, sheet: usize) -> usize {
        self.first[example] + sheet
    }

    /// All rows, for a call.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        self.rows.iter().map(|(tokens, rule)| Row { attention: Some(*rule), ..Row::new(tokens) }).collect()
    }
}

/// The canvas, and behind it once more what later blocks see of it: from the block with the first response position, which
/// may begin with words of the prompt, up to the last block, which nobody sees.
fn taught<'a>(example: &'a Example, written: &[TokenId], block: usize) -> (Cow<'a, [TokenId]>, Attention) {
    let len = example.canvas.len();
    let from = example.prompt / block * block;
    let to = (len.saturating_sub(1) / block * block).max(from);
    let known = example.canvas[..example.prompt].iter().chain(written);
    let second = known.skip(from).take(to - from);
    let row = example.canvas.iter().chain(second).copied().collect();
    (Cow::Owned(row), Attention::Teacher { block, len, from })
}
