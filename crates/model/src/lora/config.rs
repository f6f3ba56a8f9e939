//! How an adapter is made: ranks, scales and the layers it attaches to.

use super::target::{Targets, pattern_key};
use crate::ModelError;
use std::collections::BTreeMap;

/// What an adapter's config says, as far as mosa uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// Rank of the factors.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// The layers it attaches to.
    pub targets: Targets,
    /// Layers left out although `targets` matches them.
    pub exclude: Option<Targets>,
    /// Ranks of modules whose path matches a key.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Alphas of modules whose path matches a key.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// rsLoRA: scale = alpha / sqrt(rank).
    pub rank_stabilised: bool,
    /// The model it was trained on, as its author named it.
    pub base_model: Option<String>,
}

impl AdapterConfig {
    /// The plain configuration: one rank and alpha everywhere.
    pub fn new(rank: usize, alpha: f64, targets: Targets) -> Self {
        Self {
            rank,
            alpha,
            targets,
            exclude: None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            rank_stabilised: false,
            base_model: None,
        }
    }

    pub(crate) fn rank_of(&self, module: &str) -> Result<usize, ModelError> {
        Ok(pattern_key(self.rank_pattern.keys(), module)?.map_or(self.rank, |k| self.rank_pattern[k]))
    }

    pub(crate) fn scale_of(&self, module: &str) -> Result<f64, ModelError> {
        let alpha = pattern_key(self.alpha_pattern.keys(), module)?.map_or(self.alpha, |k| self.alpha_pattern[k]);
        let rank = self.rank_of(module)? as f64;
        Ok(alpha / if self.rank_stabilised { rank.sqrt() } else { rank })
    }
}
