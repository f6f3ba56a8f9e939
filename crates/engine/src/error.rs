//! What can go wrong while decoding.

use mosa_core::CanvasError;
use mosa_model::ModelError;
use tch::TchError;

/// An error of the sampler; names the option or the request.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An option has a value that cannot be used.
    #[error("{option} {what}")]
    Option {
        /// The option as the command line spells it, without dashes.
        option: &'static str,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// A request cannot be decoded with these options.
    #[error("prompt {id}: {what}")]
    Request {
        /// The request's id.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// The model returned something that is not a number.
    #[error("the model returned NaN at position {position} in step {step}: its weights or the compute type are broken")]
    NotANumber {
        /// Canvas position.
        position: usize,
        /// Step number.
        step: u64,
    },
    /// An intervention failed.
    #[error("intervention {name}: {what}")]
    Intervention {
        /// Its name.
        name: String,
        /// What went wrong.
        what: String,
    },
    /// A write the canvas refuses.
    #[error(transparent)]
    Canvas(#[from] CanvasError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<TchError> for EngineError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}

pub(crate) fn option(option: &'static str, what: impl ToString) -> EngineError {
    EngineError::Option { option, what: what.to_string() }
}
