//! R0: refusal against compliance in the logits of the first pass.
//!
//! The abstract of arXiv 2609.30841 says no more than "refusal/compliance logit mass at step 0". Ours: the words, the mean over
//! the masked positions that can be committed, and ln of the ratio of the two sums of exp(logit), which needs no softmax.

use super::look::mean;
use super::{Look, Monitor};
use mosa_engine::EngineError;

/// The mean of [`Look::gaps`].
pub(super) struct RefusalMass;

impl Monitor for RefusalMass {
    fn read(&mut self, look: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        Ok(mean(look.gaps()?))
    }
}
