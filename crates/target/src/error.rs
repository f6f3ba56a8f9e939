//! What can go wrong when a target is asked.

use mosa_attack::Unanswered;
use mosa_runtime::RuntimeError;

/// Why a target gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The request does not fit the model.
    #[error("{0}")]
    Request(String),
    /// Text or template.
    #[error(transparent)]
    Text(#[from] mosa_text::TextError),
    /// Decoding.
    #[error(transparent)]
    Engine(#[from] mosa_engine::EngineError),
    /// The model itself.
    #[error(transparent)]
    Model(#[from] mosa_model::ModelError),
    /// The model could not be asked, or gave no answer.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A monitor cannot watch it.
    #[error(transparent)]
    Defence(Box<mosa_defence::DefenceError>),
    /// Suffix search.
    #[error(transparent)]
    Probe(#[from] mosa_probe::ProbeError),
    /// Tensor library.
    #[error("tensor library: {0}")]
    Tensor(#[from] tch::TchError),
}

impl From<TargetError> for Unanswered {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Runtime(RuntimeError::Interrupted) => Self::Interrupted,
            error => Self::Failed(error.to_string()),
        }
    }
}
