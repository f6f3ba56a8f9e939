//! A document on its canvas: token ids, and what of them the model has to say.

use crate::corpus::Document;
use crate::given::POSITIONS;
use crate::vocabulary::{self, END, HEADER_END, HEADER_START, MASK, START, TURN_END};
use mosa_core::{Rng, TokenId};

/// How documents are masked and weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// Response positions, at least [`POSITIONS`].
    pub length: usize,
    /// Share of the documents of which at least six tenths are masked.
    pub nearly_masked: f64,
    /// Weight of the end tokens behind the first, which only fill the canvas, against 1 of every other token.
    pub end_weight: f64,
}

/// A canvas with hidden tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// All tokens; hidden ones are masks.
    pub tokens: Vec<TokenId>,
    /// Tokens that are never hidden: the header of the user's turn.
    pub head: usize,
    /// The hidden tokens, by place.
    pub hidden: Vec<Hidden>,
    /// How many were to be expected.
    pub expected: f64,
}

/// A hidden token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hidden {
    /// Its place on the canvas.
    pub at: usize,
    /// What stands there.
    pub token: TokenId,
    /// Its weight against that of other tokens.
    pub weight: f64,
}

/// One document in this many has words of its user's turn hidden, up to [`MOST_ASKED_HIDDEN`] of them.
const ASKED_HIDDEN: usize = 20;
const MOST_ASKED_HIDDEN: f64 = 0.5;

/// The tokens around the user's words.
const BEFORE: [&str; 4] = [START, HEADER_START, "user", HEADER_END];
const BEHIND: [&str; 4] = [TURN_END, HEADER_START, "assistant", HEADER_END];

impl Document {
    /// Its canvas: the conversation as the template renders it and, if an answer follows, its positions.
    ///
    /// Each word of the answer, and of gaps in the user's turn, is hidden with a probability drawn for the document. Words
    /// that are given are never hidden.
    pub fn canvas(&self, masking: Masking, rng: &mut Rng) -> Canvas {
        let share = if rng.unit() < masking.nearly_masked { 0.6 + 0.4 * rng.unit() } else { rng.unit() };
        let asked_share = if rng.below(ASKED_HIDDEN) == 0 { MOST_ASKED_HIDDEN * rng.unit() } else { 0.0 };
        let mut sheet = Sheet::default();
        BEFORE.iter().for_each(|word| sheet.push(word, None));
        for (i, word) in self.prompt.split_whitespace().enumerate() {
            let share = if self.gaps.binary_search(&i).is_ok() { share } else { asked_share };
            sheet.push(word, Some((share, 1.0)));
        }
        BEHIND.iter().for_each(|word| sheet.push(word, None));
        if self.follows {
            let words: Vec<&str> = self.answer.split_whitespace().collect();
            for i in 0..masking.length.max(POSITIONS) {
                let weight = if i > words.len() { masking.end_weight } else { 1.0 };
                match self.given.get(&i) {
                    Some(word) => sheet.push(word, None),
                    None => sheet.push(words.get(i).copied().unwrap_or(END), Some((share, weight))),
                }
            }
        }
        sheet.hide(rng)
    }
}

/// Tokens, and with what probability and weight each is hidden.
#[derive(Default)]
struct Sheet {
    tokens: Vec<TokenId>,
    open: Vec<(usize, f64, f64)>,
}

impl Sheet {
    fn push(&mut self, word: &str, hidden: Option<(f64, f64)>) {
        if let Some((share, weight)) = hidden.filter(|(share, _)| *share > 0.0) {
            self.open.push((self.tokens.len(), share, weight));
        }
        self.tokens.push(vocabulary::id(word).map_or(0, |id| id as TokenId));
    }

    /// Hides what chance says, and one token at least.
    fn hide(mut self, rng: &mut Rng) -> Canvas {
        let expected = self.open.iter().map(|(_, share, _)| share).sum();
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        for &(at, share, weight) in &self.open {
            if rng.unit() < share {
                chosen.push((at, weight));
            }
        }
        if chosen.is_empty() {
            let (at, _, weight) = self.open[rng.below(self.open.len())];
            chosen.push((at, weight));
        }
        let mask = vocabulary::id(MASK).map_or(0, |id| id as TokenId);
        let hide = |(at, weight): (usize, f64)| {
            let token = std::mem::replace(&mut self.tokens[at], mask);
            Hidden { at, token, weight }
        };
        let hidden = chosen.into_iter().map(hide).collect();
        Canvas { tokens: self.tokens, head: BEFORE.len(), hidden, expected }
    }
}
