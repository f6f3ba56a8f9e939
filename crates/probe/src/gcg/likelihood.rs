//! How the likelihood of a target is estimated.

use crate::ProbeError;
use mosa_engine::Estimator;
use serde::{Deserialize, Serialize};

/// The most candidates of an iteration, canvases of a pass, and random reveals of a target.
pub(super) const MOST_ROWS: usize = 65_536;

/// How the likelihood of a target is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetLikelihood {
    /// One pass with the whole target masked, as it is before the first step.
    #[default]
    FirstStep,
    /// Monte Carlo: this many passes in which a random part of the target is revealed; the loss is the mean over the
    /// passes of the mean cross-entropy of what is masked, that is -1/n of the bound
    /// [`mosa_engine::Estimator::Elbo`] with the same seed and sample. The parts are drawn once per run, so that the
    /// losses of all its iterations can be compared.
    Mc(usize),
}

impl TargetLikelihood {
    /// The same as the engine's estimator.
    pub(crate) fn estimator(self, seed: u64, sample: u64) -> Result<Estimator, ProbeError> {
        let wrong = |what: String| Err(ProbeError::Setting { key: "likelihood", what });
        match self {
            Self::FirstStep => Ok(Estimator::MeanField),
            Self::Mc(0) => wrong("mc needs at least one draw".into()),
            Self::Mc(draws) if draws > MOST_ROWS => wrong(format!("= mc({draws}): more than {MOST_ROWS} draws")),
            Self::Mc(draws) => Ok(Estimator::Elbo { draws, seed, sample }),
        }
    }
}
