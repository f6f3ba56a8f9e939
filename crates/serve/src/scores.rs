//! What was scored lately.

use mosa_core::TokenId;
use mosa_engine::Options;
use mosa_runtime::Tail;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The latest of them. Requests of a harness are a question with one of its choices each; where those differ in the last
/// token alone, the passes are the same ones, and so are their numbers.
#[derive(Default)]
pub(crate) struct Scores(Mutex<VecDeque<(Of, Arc<Tail>)>>);

/// All that the passes over a prompt depend on: not its last token, which none of them sees.
#[derive(PartialEq)]
pub(crate) struct Of {
    pub before: Vec<TokenId>,
    pub length: usize,
    pub options: Options,
}

impl Scores {
    /// How many are kept; each holds a number for every token of the vocabulary.
    const KEPT: usize = 64;

    pub(crate) fn of(&self, asked: &Of) -> Option<Arc<Tail>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| of == asked).map(|(_, tail)| Arc::clone(tail))
    }

    pub(crate) fn keep(&self, of: Of, tail: Tail) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(Self::KEPT - 1);
        kept.push_front((of, Arc::new(tail)));
    }
}
