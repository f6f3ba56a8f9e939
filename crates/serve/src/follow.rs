//! What of an answer is there while it is decoded: the latest canvas, for one who reads as fast as they can.

use mosa_core::{Canvas, Cause, TokenId};
use mosa_engine::StepRecord;
use mosa_runtime::Follower;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The response after a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// Steps so far.
    pub steps: u64,
    /// Tokens of the response; masks are the mask token.
    pub tokens: Vec<TokenId>,
    /// The probability of every token when it was revealed.
    pub confidences: Vec<Option<f32>>,
    /// Response offsets this step changed; with a slow reader, those since its last frame.
    pub changed: Vec<usize>,
}

/// Keeps the latest frame, so that memory does not grow with a reader's slowness, and knows whether anybody reads.
#[derive(Default)]
pub(crate) struct Watch {
    frame: Mutex<Frame>,
    new: Notify,
    gone: AtomicBool,
}

/// Held by who waits for an answer; nobody wants it once this is dropped.
pub(crate) struct Wanted(pub Arc<Watch>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::SeqCst);
    }
}

impl Watch {
    /// Waits for a step behind those that were seen.
    pub(crate) async fn stepped(&self) {
        self.new.notified().await;
    }

    /// Wakes whoever waits for a step: there will be none.
    pub(crate) fn over(&self) {
        self.new.notify_one();
    }

    /// The latest frame; its changes are then seen.
    pub(crate) fn take(&self) -> Frame {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = frame.clone();
        frame.changed.clear();
        seen
    }
}

impl Follower for Watch {
    fn step(&self, canvas: &Canvas, record: Option<&StepRecord>) {
        {
            let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
            frame.steps += 1;
            frame.tokens.clear();
            frame.tokens.extend_from_slice(canvas.response());
            let length = frame.tokens.len();
            frame.confidences.resize(length, None);
            for edit in record.iter().flat_map(|record| &record.edits) {
                let Some(at) = edit.position.checked_sub(canvas.response_start()).filter(|at| *at < length) else {
                    continue;
                };
                frame.confidences[at] = edit.confidence.filter(|_| edit.cause != Cause::Remasked);
                if !frame.changed.contains(&at) {
                    frame.changed.push(at);
                }
            }
        }
        self.new.notify_one();
    }

    fn wanted(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }
}
