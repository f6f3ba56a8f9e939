//! Every setting of a suffix search.

use super::likelihood::{MOST_ROWS, TargetLikelihood};
use crate::ProbeError;
use serde::{Deserialize, Serialize};

/// The most iterations of a search.
const MOST_ITERATIONS: usize = 1_000_000;

/// Settings of [`super::Gcg`]. Defaults are those of GCG's paper, with the MOSA paper's 100 iterations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcgSettings {
    /// Iterations. MOSA's figure: 100; GCG's paper: 500.
    pub iterations: usize,
    /// Candidates per iteration (batch size).
    pub candidates: usize,
    /// Tokens considered per position: those with the lowest gradient.
    pub top_k: usize,
    /// Positions changed in a candidate.
    pub replace: usize,
    /// How the likelihood of the target is estimated.
    pub likelihood: TargetLikelihood,
    /// Move only to a candidate that is better than the current suffix. Published: always to the best candidate.
    pub only_improving: bool,
    /// Canvases that share a pass.
    pub rows_per_pass: usize,
    /// Seed of every random draw.
    pub seed: u64,
}

impl Default for GcgSettings {
    fn default() -> Self {
        Self {
            iterations: 100,
            candidates: 512,
            top_k: 256,
            replace: 1,
            likelihood: TargetLikelihood::FirstStep,
            only_improving: false,
            rows_per_pass: 16,
            seed: 0,
        }
    }
}

impl GcgSettings {
    /// Refuses values that cannot be used. Zero iterations measure the first suffix.
    ///
    /// # Errors
    /// [`ProbeError::Setting`] naming the key.
    pub fn check(&self) -> Result<(), ProbeError> {
        let positive = [
            ("candidates", self.candidates),
            ("top_k", self.top_k),
            ("replace", self.replace),
            ("rows_per_pass", self.rows_per_pass),
        ];
        if let Some((key, _)) = positive.into_iter().find(|&(_, value)| value == 0) {
            return Err(ProbeError::Setting { key, what: "must be positive".into() });
        }
        let most = [
            ("iterations", self.iterations, MOST_ITERATIONS),
            ("candidates", self.candidates, MOST_ROWS),
            ("rows_per_pass", self.rows_per_pass, MOST_ROWS),
        ];
        match most.into_iter().find(|(_, value, most)| value > most) {
            Some((key, value, most)) => {
                Err(ProbeError::Setting { key, what: format!("= {value} is more than {most}") })
            }
            None => Ok(()),
        }
    }
}
