//! A form: a procedure in the user's turn, of which parts are gaps.

use crate::procedure::{CLOSING, Procedure, STEPS, opening};
use crate::{Item, refusal};
use mosa_core::Rng;

/// A text with gaps, and what stands in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// All words, those in gaps included.
    pub words: Vec<String>,
    /// Places of the words in gaps, ascending.
    pub gaps: Vec<usize>,
}

impl Form {
    /// The opening and the first four, six or all steps; one to seven steps share a gap behind the head of the first.
    pub(crate) fn draw(item: Item, rng: &mut Rng) -> Self {
        let (steps, per_gap) = ([4, 6, STEPS][rng.below(3)], [1, 1, 2, 2, 3, STEPS][rng.below(6)]);
        let told = Procedure::of(item).told(rng);
        let from = opening(item).split(' ').count();
        let words: Vec<&str> = told.split(' ').skip(from).collect();
        let mut form = Self { words: opening(item).split(' ').map(str::to_owned).collect(), gaps: Vec::new() };
        let dots_given = per_gap == 1 && rng.below(2) == 0;
        for (n, sentence) in words.split_inclusive(|w| *w == ".").take(steps).enumerate() {
            for (i, word) in sentence.iter().enumerate() {
                let is_given = (i < HEAD && n.is_multiple_of(per_gap)) || (dots_given && *word == ".");
                if !is_given {
                    form.gaps.push(form.words.len());
                }
                form.words.push((*word).to_owned());
            }
        }
        if steps == STEPS && rng.below(2) == 0 {
            form.words.extend(CLOSING.split(' ').map(str::to_owned));
        }
        form
    }

    /// Words outside of gaps.
    pub(crate) fn given(&self) -> usize {
        self.words.len() - self.gaps.len()
    }

    /// The same form with refusals in its gaps instead, each cut where its gap ends.
    pub(crate) fn refused(mut self, rng: &mut Rng) -> Self {
        let mut before = None;
        let mut refusal: Vec<String> = Vec::new();
        for &at in &self.gaps {
            if before.is_none_or(|before| before + 1 != at) || refusal.is_empty() {
                let text = refusal::stop(rng.below(refusal::STOPS));
                refusal = text.split(' ').rev().map(str::to_owned).collect();
            }
            self.words[at] = refusal.pop().unwrap_or_default();
            before = Some(at);
        }
        self
    }
}

/// Words of the head of a step: "step 2 :".
const HEAD: usize = 3;
