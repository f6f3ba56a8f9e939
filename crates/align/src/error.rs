//! What can go wrong while aligning.

use mosa_core::WindowError;
use mosa_model::ModelError;
use tch::TchError;

/// An error of the trainer; names the setting, the prompt or the tensor.
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// A setting cannot be used.
    #[error("`{key}` {what}")]
    Setting {
        /// The configuration key.
        key: &'static str,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// A prompt cannot be used.
    #[error(
        "prompt {number} has {tokens} tokens; with canvas_length {canvas} that is more than the model's context of {context}"
    )]
    PromptTooLong {
        /// 1-based number in the data.
        number: usize,
        /// Its tokens.
        tokens: usize,
        /// Response length.
        canvas: usize,
        /// The model's context.
        context: usize,
    },
    /// A sentence does not fit.
    #[error("the {set} sentence {text:?}: {source}")]
    Sentence {
        /// `safe` or `harmful`.
        set: &'static str,
        /// Its text.
        text: String,
        /// Why.
        source: WindowError,
    },
    /// A sentence does not fit (by its tokens).
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The loss is no longer a number.
    #[error("step {step}: the loss is {loss}; lower the learning rate or check the weights")]
    Diverged {
        /// The step.
        step: usize,
        /// What it became.
        loss: f64,
    },
    /// A trainable tensor is not connected to the loss.
    #[error("step {step}: the adapter tensor {name} receives no gradient")]
    NoGradient {
        /// The step.
        step: usize,
        /// The tensor by PEFT's name.
        name: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<TchError> for AlignError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}
