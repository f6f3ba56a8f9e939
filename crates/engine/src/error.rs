//! What can go wrong while decoding.

use mosa_core::CanvasError;
use mosa_model::{Adapted, Adapter, ModelError};
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
    /// A prompt and the canvas behind it are longer than the model's context.
    #[error(
        "prompt {id}: {tokens} tokens plus gen-length {gen_length}{} exceed the model's context of {context}",
        blocks(.gen_length, .on_canvas)
    )]
    NoRoom {
        /// The request's id.
        id: String,
        /// Tokens of the prompt.
        tokens: usize,
        /// Positions that were asked for.
        gen_length: usize,
        /// Positions on the canvas, which may be whole blocks.
        on_canvas: usize,
        /// Positions the model has.
        context: usize,
    },
    /// The prompt of a question and its longest choice are longer than the model's context.
    #[error(
        "question {id}: {tokens} tokens of the prompt and {behind} of its longest choice do not fit the model's context of \
         {context}; ask it with a shorter prompt (fewer examples)"
    )]
    TooLong {
        /// The question's id.
        id: String,
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens of the longest choice.
        behind: usize,
        /// Positions the model has.
        context: usize,
    },
    /// A question could not be scored.
    #[error("question {id}: {error}")]
    Question {
        /// Its id.
        id: String,
        /// Why.
        error: Box<EngineError>,
    },
    /// The model returned something that is not a number.
    #[error("the model returned NaN at position {position} in step {step}: {cause}")]
    NotANumber {
        /// Canvas position.
        position: usize,
        /// Step number.
        step: u64,
        /// Which weights hold NaN, or what else it may be.
        cause: String,
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

impl EngineError {
    /// Whether the model's numbers are broken, and not what was asked for.
    pub fn is_broken_number(&self) -> bool {
        match self {
            Self::NotANumber { .. } => true,
            Self::Question { error, .. } => error.is_broken_number(),
            _ => false,
        }
    }

    /// Whether memory ran out, on the host or on the device.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Model(error) => error.is_out_of_memory(),
            Self::Question { error, .. } => error.is_out_of_memory(),
            _ => false,
        }
    }
}

impl From<TchError> for EngineError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}

pub(crate) fn option(option: &'static str, what: impl ToString) -> EngineError {
    EngineError::Option { option, what: what.to_string() }
}

/// Names the weights that are to blame, if any are.
pub(crate) fn not_a_number(subject: Adapted<'_>, position: usize, step: u64) -> EngineError {
    let cause = match (subject.model.broken_weight(), subject.adapter.and_then(Adapter::broken_weight)) {
        (Some(name), _) => {
            format!("the weights of the checkpoint hold NaN or infinity, first in {name}; get them again")
        }
        (None, Some(name)) => {
            format!("the adapter holds NaN or infinity, first in {name}; use an earlier checkpoint of it")
        }
        (None, None) => {
            "all its weights are finite, so the numbers overflow on the way (try --dtype f32) or an intervention \
                         broke the logits"
                .to_owned()
        }
    };
    EngineError::NotANumber { position, step, cause }
}

/// What a canvas of whole blocks takes, where that is more than was asked for.
fn blocks(gen_length: &usize, on_canvas: &usize) -> String {
    if on_canvas > gen_length { format!(" ({on_canvas} in whole blocks)") } else { String::new() }
}
