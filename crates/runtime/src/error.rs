//! What can go wrong when a model is asked.

use mosa_engine::EngineError;
use mosa_model::ModelError;
use mosa_text::TextError;
use tch::TchError;

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A stop was asked for before the answer was complete.
    #[error("interrupted")]
    Interrupted,
    /// The request does not fit the model.
    #[error("{0}")]
    Request(String),
    /// A defence cannot do its work; the request is not answered without it.
    #[error("defence {name}: {what}")]
    Defence {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Text or template.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Decoding.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model itself.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Tensor library.
    #[error("tensor library: {0}")]
    Tensor(#[from] TchError),
    /// The model's thread panicked; it answers nobody any more.
    #[error("the model's thread broke off: {0}")]
    Panicked(String),
    /// Work on a model's thread waited for a model, which might wait for that thread.
    #[error("work on a model's thread cannot wait for a model")]
    Nested,
    /// The system gave the model no thread.
    #[error("the model got no thread of its own: {0}")]
    Thread(std::io::Error),
}
