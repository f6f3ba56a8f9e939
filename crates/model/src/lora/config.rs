//! How an adapter is made: ranks, scales and the layers it attaches to.

use super::target::{Patterns, Targets};
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

    /// Ranks and scales, to be looked up for many modules.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] if a key of a pattern is no regular expression.
    pub(crate) fn sizes(&self) -> Result<Sizes<'_>, ModelError> {
        let (ranks, alphas) = (Patterns::new(&self.rank_pattern)?, Patterns::new(&self.alpha_pattern)?);
        Ok(Sizes { config: self, ranks, alphas })
    }
}

/// The rank and the scale of every module.
pub(crate) struct Sizes<'a> {
    config: &'a AdapterConfig,
    ranks: Patterns<usize>,
    alphas: Patterns<f64>,
}

impl Sizes<'_> {
    /// The rank of a module's factors.
    pub(crate) fn rank(&self, module: &str) -> usize {
        self.ranks.get(module).unwrap_or(self.config.rank)
    }

    /// What the product of its factors is multiplied with.
    pub(crate) fn scale(&self, module: &str) -> f64 {
        let (alpha, rank) = (self.alphas.get(module).unwrap_or(self.config.alpha), self.rank(module) as f64);
        alpha / if self.config.rank_stabilised { rank.sqrt() } else { rank }
    }
}
