//! P(EOS) at the leftmost mask of the first pass: a model that refuses by ending its answer (A2D) says so at once.
//!
//! A2D rejects where it is above 0.8 or 0.9. Ours: all tokens that end an answer count, the end of turn as well.

use super::{Look, Monitor};
use mosa_engine::EngineError;

/// The probability itself.
pub(super) struct PEos;

impl Monitor for PEos {
    fn read(&mut self, look: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        look.end()
    }
}
