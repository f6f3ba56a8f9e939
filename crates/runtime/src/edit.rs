//! Words written while an answer is decoded.

use mosa_core::{Canvas, TokenId};
use mosa_engine::{EngineError, Intervention, Step};

/// Writes tokens before a step, perhaps after masking again whatever was revealed until then (anchoring and trajectory
/// hijacking).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// The step, counted over the whole decode.
    pub step: u64,
    /// (response offset, token).
    pub tokens: Vec<(usize, TokenId)>,
    /// Whether everything the sampler revealed is masked again first.
    pub remask: bool,
    /// Response offsets that stay as they are: forced before.
    pub keep: Vec<usize>,
    pub done: bool,
}

impl Intervention for Write {
    fn name(&self) -> &str {
        "write"
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if self.done || step.clock < self.step {
            return Ok(());
        }
        self.done = true;
        let start = canvas.response_start();
        if self.remask {
            for position in start..canvas.len() {
                if !self.keep.contains(&(position - start)) && !canvas.is_masked(position) {
                    canvas.remask(position)?;
                }
            }
        }
        for (offset, token) in &self.tokens {
            canvas.force(start + offset, *token)?;
        }
        Ok(())
    }
}
