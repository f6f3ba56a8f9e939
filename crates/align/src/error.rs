//! What can go wrong while aligning.

use mosa_core::{TokenId, WindowError};
use mosa_model::ModelError;
use mosa_records::RecordsError;
use std::path::{Path, PathBuf};
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
        "prompt {id} has {tokens} tokens; with canvas_length {canvas} that is more than the model's context of {context}"
    )]
    PromptTooLong {
        /// The prompt's id in the data.
        id: String,
        /// Its tokens.
        tokens: usize,
        /// Response length.
        canvas: usize,
        /// The model's context.
        context: usize,
    },
    /// A sentence does not fit.
    #[error("a {set} sentence of the tokens {tokens:?}: {source}")]
    Sentence {
        /// `safe` or `harmful`.
        set: &'static str,
        /// Its tokens, end included.
        tokens: Vec<TokenId>,
        /// Why.
        source: WindowError,
    },
    /// A sentence does not fit (by its tokens).
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The loss is no longer a number.
    #[error("step {step}: the loss is {loss}, the gradient norm {grad_norm}: {cause}")]
    Diverged {
        /// The step.
        step: usize,
        /// What it became.
        loss: f64,
        /// Norm of the gradient.
        grad_norm: f64,
        /// Which weights hold NaN, or what to lower.
        cause: String,
    },
    /// The run folder cannot be used.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A file or folder of the run cannot be used.
    #[error("{}: {what}", .path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A checkpoint does not fit the run.
    #[error("the checkpoint cannot be resumed: {0}")]
    Resume(String),
    /// A trainable tensor is not connected to the loss.
    #[error("step {step}: the trainable tensor {name} receives no gradient")]
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

impl AlignError {
    /// Whether the numbers are broken, and not what was asked for.
    pub fn is_broken_number(&self) -> bool {
        matches!(self, Self::Diverged { .. })
    }

    pub(crate) fn file(path: &Path, what: impl ToString) -> Self {
        Self::File { path: path.to_owned(), what: what.to_string() }
    }
}

impl From<TchError> for AlignError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}
