//! Which canvases the likelihood of a target is read from.

use super::settings::MOST_ROWS;
use crate::ProbeError;
use mosa_core::{Rng, Stream};
use serde::{Deserialize, Serialize};

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

/// One way to show the target: which of its tokens are revealed and which are scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub revealed: Vec<usize>,
    pub scored: Vec<usize>,
}

impl TargetLikelihood {
    /// The views of a target of `n` tokens; never empty, and every view scores at least one token.
    pub(crate) fn views(self, n: usize, [seed, sample]: [u64; 2]) -> Result<Vec<View>, ProbeError> {
        match self {
            Self::FirstStep => Ok(vec![View { revealed: Vec::new(), scored: (0..n).collect() }]),
            Self::Mc(0) => Err(ProbeError::Setting { key: "likelihood", what: "mc needs at least one draw".into() }),
            Self::Mc(draws) if draws > MOST_ROWS => Err(ProbeError::Setting {
                key: "likelihood",
                what: format!("= mc({draws}): more than {MOST_ROWS} draws"),
            }),
            Self::Mc(draws) => {
                let first = Rng::at(seed, Stream::Likelihood, 0, sample).below(n);
                let view = |i: usize| {
                    let masked = (first + i * n / draws) % n + 1;
                    let order = Rng::at(seed, Stream::Likelihood, 1 + i as u64, sample).permutation(n);
                    let (scored, revealed) = order.split_at(masked);
                    View { revealed: revealed.to_vec(), scored: scored.to_vec() }
                };
                Ok((0..draws).map(view).collect())
            }
        }
    }
}
