//! What can go wrong while probing.

use mosa_engine::EngineError;
use mosa_model::ModelError;
use mosa_runtime::RuntimeError;
use mosa_text::TextError;
use tch::TchError;

/// An error of a probe; names the setting or the goal.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A setting cannot be used.
    #[error("`{key}` {what}")]
    Setting {
        /// The setting's key.
        key: &'static str,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// A goal cannot be used with this model.
    #[error("goal {id}: {what}")]
    Goal {
        /// The goal's id.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// The filters refused every candidate of an iteration.
    #[error(
        "goal {id}, iteration {iteration}: none of {drawn} candidates passed the filters; raise top_k, or start from a \
         suffix that the tokeniser gives back as it is"
    )]
    NoCandidates {
        /// The goal's id.
        id: String,
        /// The iteration.
        iteration: usize,
        /// Candidates drawn.
        drawn: usize,
    },
    /// The model's output is broken.
    #[error("goal {id}, iteration {iteration}: the loss is not a number; its weights or the compute type are broken")]
    NotANumber {
        /// The goal's id.
        id: String,
        /// The iteration.
        iteration: usize,
    },
    /// Recorded iterations do not belong to this search.
    #[error("goal {id}: the recorded iterations cannot be resumed: {what}")]
    Resume {
        /// The goal's id.
        id: String,
        /// What does not fit.
        what: String,
    },
    /// A prompt cannot be tokenised.
    #[error("prompt {id}: {source}")]
    Prompt {
        /// The prompt's id.
        id: String,
        /// Why.
        source: TextError,
    },
    /// A text cannot be tokenised.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Decoding failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model could not be asked.
    #[error(transparent)]
    Runtime(RuntimeError),
}

impl ProbeError {
    /// Whether a stop was asked for before there was a result.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Runtime(RuntimeError::Interrupted))
    }

    /// Whether the model's numbers are broken, and not what was asked for.
    pub fn is_broken_number(&self) -> bool {
        match self {
            Self::NotANumber { .. } => true,
            Self::Engine(error) => error.is_broken_number(),
            _ => false,
        }
    }
}

impl From<RuntimeError> for ProbeError {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Text(error) => Self::Text(error),
            RuntimeError::Engine(error) => Self::Engine(error),
            RuntimeError::Model(error) => Self::Model(error),
            error => Self::Runtime(error),
        }
    }
}

impl From<TchError> for ProbeError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}
