//! An answer that somebody watches while it is decoded.

use crate::answering::{Answered, Guard};
use crate::{Ask, Pending, Runtime, RuntimeError};
use mosa_core::Canvas;
use mosa_engine::{Options, StepRecord};
use std::sync::Arc;

/// Sees an answer grow. It is called on the model's thread, between two steps, so it must not wait for anything.
pub trait Follower: Send + Sync {
    /// After a step: the canvas, and what the step changed, if anything. Of an answer that is drawn several times the first
    /// draw is shown.
    fn step(&self, canvas: &Canvas, record: Option<&StepRecord>);

    /// Whether the answer is still wanted; else it is decoded no further. Asked before every step, on the model's thread.
    fn wanted(&self) -> bool {
        true
    }
}

impl Runtime {
    /// Answers one request, through the defences, while `follower` watches.
    ///
    /// # Errors
    /// Whatever befell the request; [`RuntimeError::Interrupted`] once the follower does not want it any more.
    pub fn followed(
        &self,
        options: &Options,
        asked: &Ask,
        follower: &Arc<dyn Follower>,
    ) -> Result<Answered, RuntimeError> {
        let mut guard: Guard = self.guard(options, asked)?;
        let requests = guard.requests(self.words());
        let pending = self.submit_followed(requests, Some(follower))?;
        let answers = pending.into_iter().map(Pending::wait).collect::<Result<_, _>>()?;
        guard.answered(self, answers)
    }
}
