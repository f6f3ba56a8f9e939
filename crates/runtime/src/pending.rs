//! Something that a model's thread will have done.

use crate::RuntimeError;
use crate::owner::on_a_models_thread;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

/// Why a model's thread ended; empty while it works.
pub(crate) type Broken = Arc<OnceLock<String>>;

/// A result that is being computed. Who drops it gives it up: an answer under way is decoded no further.
#[must_use]
pub struct Pending<T> {
    pub(crate) result: Receiver<Result<T, RuntimeError>>,
    pub(crate) broken: Broken,
    /// Tells the model's thread that somebody still waits.
    pub(crate) asker: Arc<()>,
}

impl<T> Pending<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// Why there is none; [`RuntimeError::Nested`] on the thread of a model.
    pub fn wait(self) -> Result<T, RuntimeError> {
        may_wait()?;
        self.result.recv().unwrap_or_else(|_| Err(why(&self.broken)))
    }
}

/// Why nobody answers: the thread has ended, or is about to and says so.
pub(crate) fn why(broken: &Broken) -> RuntimeError {
    RuntimeError::Panicked(broken.wait().clone())
}

/// Refuses to wait on the thread of a model.
pub(crate) fn may_wait() -> Result<(), RuntimeError> {
    if on_a_models_thread() { Err(RuntimeError::Nested) } else { Ok(()) }
}
