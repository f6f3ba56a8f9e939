//! Harmless tasks with a program that knows the right answer.

mod arithmetic;
mod facts;
mod lookalike;
mod program;

pub use arithmetic::Arithmetic;
pub use facts::{Attribute, Fact, LETTERS};
pub use lookalike::{Aspect, LookAlike};
pub use program::{Operation, Program, TEST_LISTS};

use crate::Part;
use mosa_core::sample_key;

/// A question with an exact check.
pub trait Task {
    /// What is asked, plainly.
    fn question(&self) -> String;
    /// The right answer as the corpus has it.
    fn answer(&self) -> String;
    /// Whether an answer is right.
    fn check(&self, answer: &str) -> bool;
}

/// The part a question belongs to: two in five are kept for tests. A hash of its text decides, so that the parts stay
/// disjoint however questions are drawn.
fn part_of(question: &str) -> Part {
    if sample_key(question) % 5 < 2 { Part::Test } else { Part::Tune }
}

/// Whether `words` stand next to each other in `text`.
fn contains_words(text: &str, words: &str) -> bool {
    let text: Vec<&str> = text.split_whitespace().collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    text.windows(words.len()).any(|w| w == words)
}

/// The word after the last "the answer is".
fn final_answer(text: &str) -> Option<&str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(4).rev().find(|w| w[..3] == ["the", "answer", "is"]).map(|w| w[3])
}
