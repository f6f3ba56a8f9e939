//! Attacks that only a model with a canvas can be the target of: words in the middle, at the end or at a later step,
//! masks inside the prompt, and the suffix search.

mod anchoring;
mod dija;
mod hijack;
mod maskforge;
mod pad;
mod post_context;
mod prefill;
mod reference;
mod suffix;

pub use anchoring::Anchoring;
pub use dija::{Dija, DijaForm};
pub use hijack::TrajHijack;
pub use maskforge::{MaskForge, Schema};
pub use pad::Pad;
pub use post_context::PostContext;
pub use prefill::Prefill;
pub use reference::Reference;
pub use suffix::SuffixSearch;

use crate::{Ability, Attack, Candidate, Case, Cost, Cx, Finished, Generate, Needs, Reason, Stop};
use serde::Serialize;
use serde_json::{Value, json};

/// An attack that writes words on the canvas and asks: a list of requests that follows from the case alone.
pub trait CanvasAttack: Serialize + Send + Sync {
    /// Its name in records.
    const NAME: &'static str;
    /// Whether it works with whole answers.
    const READS_ANSWERS: bool = false;

    /// How many requests [`CanvasAttack::requests`] makes.
    fn count(&self) -> usize {
        1
    }

    /// What is asked, by the path of the call; the answer to the first is the one submitted.
    ///
    /// # Errors
    /// [`Stop`] where the target has to be asked for something and fails.
    fn requests(&self, case: &Case, cx: &Cx<'_>) -> Result<Vec<(String, Generate)>, Stop>;
}

impl<T: CanvasAttack> Attack for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn needs(&self) -> Needs {
        Needs { abilities: vec![Ability::ForcedTokens], roles: Vec::new() }
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        Cost { queries: self.count() as u64, helper_calls: 0 }
    }

    fn reads_answers(&self) -> bool {
        T::READS_ANSWERS
    }

    /// Every answer is handed in.
    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        let requests = self.requests(case, cx)?;
        let answers = cx.generate_all(requests.clone())?;
        for ((call, request), answer) in requests.into_iter().zip(answers) {
            cx.candidate(Candidate::new(request, answer).tagged("at", call));
        }
        Ok(Finished { selected: Some(0), reason: Reason::Exhausted })
    }
}
