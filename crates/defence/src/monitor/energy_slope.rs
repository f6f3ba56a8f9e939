//! Delta-E slope: how the safety gap moves over the steps.
//!
//! With the energy E(S) = -ln Σ exp(logit) over the words S at a position, the gap is E(refusal) - E(compliance): it grows where
//! compliance becomes likelier than refusal. Published (arXiv 2609.30841) is that the slope of a safety gap over the steps is
//! read; words, sign, the mean over masked positions and least squares over all steps so far are ours.

use super::look::mean;
use super::slope::Slope;
use super::{Look, Monitor};
use mosa_engine::EngineError;

/// The slope so far, per step.
#[derive(Default)]
pub(super) struct EnergySlope(Slope);

impl Monitor for EnergySlope {
    fn read(&mut self, look: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        if let Some(gap) = mean(look.gaps()?) {
            self.0.push(look.step.clock as f64, -gap);
        }
        Ok(self.0.value())
    }
}
