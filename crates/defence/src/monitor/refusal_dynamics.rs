//! Refusal dynamics: a row that was about to refuse, and no longer is.
//!
//! The page of arXiv 2602.02600 (SRI) speaks of the dynamics of refusal from step to step and of a one-class detector on them; it
//! gives no formula. Ours: the share of refusal of a pass is the mean over masked positions of 1 / (1 + exp(-gap)), refusal
//! against compliance alone, and the value is the highest share so far minus this one: between 0 and 1.

use super::look::mean;
use super::{Look, Monitor};
use mosa_engine::EngineError;

/// The highest share so far, and the latest value.
#[derive(Default)]
pub(super) struct RefusalDynamics {
    highest: f64,
    value: Option<f64>,
}

impl Monitor for RefusalDynamics {
    fn read(&mut self, look: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        let shares: Vec<f64> = look.gaps()?.iter().map(|gap| 1.0 / (1.0 + (-gap).exp())).collect();
        if let Some(share) = mean(&shares) {
            self.highest = self.highest.max(share);
            self.value = Some(self.highest - share);
        }
        Ok(self.value)
    }
}
