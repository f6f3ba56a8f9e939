//! Who answers: the model under attack, and the models that help.

use crate::{Generate, Generation, Guide, Propose, Proposed, Said, Score, Scored, Talk, Written};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a target can do besides answering text with text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Words written into the response before or while it is decoded.
    ForcedTokens,
    /// Beginnings that are not allowed at an offset.
    Constraint,
    /// The probability of given words.
    Score,
    /// Fabricated turns of the assistant, and system turns in the middle.
    History,
    /// Masks inside the prompt.
    Infill,
    /// Gradients of a proxy model.
    Gradient,
    /// A proxy model with the target's vocabulary.
    Guide,
    /// What a monitor says of every answer.
    Monitor,
}

impl Ability {
    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForcedTokens => "forced tokens",
            Self::Constraint => "constrained decoding",
            Self::Score => "scores of given words",
            Self::History => "fabricated history",
            Self::Infill => "masks inside the prompt",
            Self::Gradient => "gradients of a proxy model",
            Self::Guide => "a proxy model with its vocabulary (--proxy)",
            Self::Monitor => "what a monitor of the decode says",
        }
    }
}

/// Something that can be asked and may fail for good. Passing failures (timeouts, 429, 5xx) are retried below this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It failed for good; the case cannot be assessed.
    #[error("{0}")]
    Failed(String),
    /// The user interrupted the run.
    #[error("interrupted")]
    Interrupted,
}

/// Who answers in a run.
#[derive(Clone, Copy)]
pub struct Models<'a> {
    /// The model under attack.
    pub target: &'a dyn Target,
    /// The models that help.
    pub helpers: &'a dyn Helper,
}

/// The model under attack.
pub trait Target: Send + Sync {
    /// What it can do.
    fn abilities(&self) -> BTreeSet<Ability>;

    /// Answers, one result per request and in order; the number is the key of a request's randomness. What one request
    /// brought is kept where another one of the same call fails.
    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>>;

    /// Log-probabilities, one result per request and in order.
    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>>;

    /// Suffixes a proxy proposes.
    ///
    /// # Errors
    /// [`Unanswered`] if it fails.
    fn propose(&self, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered>;

    /// Words that a proxy proposes and the target chooses among.
    ///
    /// # Errors
    /// [`Unanswered`] if it fails, or if there is no such proxy.
    fn write(&self, _draw: u64, _asked: &Guide) -> Result<Written, Unanswered> {
        Err(Unanswered::Failed("it has no proxy model with its vocabulary".into()))
    }

    /// The tokens of a text, as texts.
    ///
    /// # Errors
    /// [`Unanswered`] if it fails.
    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered>;
}

/// A model that helps: rewrites, translates, judges on the way.
pub trait Helper: Send + Sync {
    /// Replies in a role. The seed follows from the call's key.
    ///
    /// # Errors
    /// [`Unanswered`] if there is no reply.
    fn reply(&self, role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered>;
}
