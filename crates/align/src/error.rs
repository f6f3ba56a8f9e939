//! What can go wrong while aligning.

use mosa_core::{TokenId, WindowError};
use mosa_engine::EngineError;
use mosa_model::ModelError;
use mosa_parallel::ParallelError;
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
    /// Prompts leave no room for the response.
    #[error(
        "{} of {of} prompts are too long: with canvas_length {canvas} they exceed the model's context of {context}: {}; shorten them or leave them out, or lower `canvas_length`",
        .prompts.len(),
        .prompts.iter().map(|(id, tokens)| format!("{id} ({tokens} tokens)")).collect::<Vec<_>>().join(", ")
    )]
    PromptsTooLong {
        /// The ids of all of them in the data, with their tokens.
        prompts: Vec<(String, usize)>,
        /// Prompts in all.
        of: usize,
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
    /// Answers of the policy have no reward.
    #[error("the reward of a step: {0}")]
    Reward(String),
    /// Ranks that train together lost each other, or another one has ended.
    #[error(transparent)]
    Ranks(#[from] ParallelError),
    /// The policy could not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
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
