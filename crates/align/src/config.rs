//! The settings of an alignment; the defaults are the paper's, or the closest reading where it is silent.

use crate::AlignError;
use mosa_core::{Placement, Window};
use mosa_model::Targets;
use serde::{Deserialize, Serialize};

/// Everything the appendix of a paper would hold. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignConfig {
    /// Optimiser steps. Default: as many as `epochs` need.
    pub steps: Option<usize>,
    /// Passes over the prompts. Paper: 1.
    pub epochs: usize,
    /// Prompts per step. The paper's figure allows 4 or 5 for its 3,000 questions; 4.
    pub batch_size: usize,
    /// Learning rate of AdamW, constant. Paper: 5e-5.
    pub lr: f64,
    /// Weight of the KL term. Paper: 0.05.
    pub beta: f64,
    /// Largest global gradient norm. Paper: 0.01.
    pub clip: f64,
    /// Decoupled weight decay. Not stated; 0.
    pub weight_decay: f64,
    /// First and last response offset of the window, 0-based, inclusive. Paper: 20 to 60.
    pub window: [usize; 2],
    /// Whether the whole sentence or only its start lies in the window. The paper's text says the former, its
    /// Algorithm 1 the latter.
    pub placement: PlacementName,
    /// Sum (Algorithm 1) or mean of a sentence's log-probabilities.
    pub reduction: Reduction,
    /// Response positions, all masked. Paper: 128.
    pub canvas_length: usize,
    /// Seed of the data order, the sentence pairs and the initial adapter.
    pub seed: u64,
    /// The adapter.
    pub lora: LoraSettings,
}

/// Rank, scale and layers of the adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraSettings {
    /// Rank. Paper: 32.
    pub r: usize,
    /// Numerator of the scale alpha / r. Paper: 64.
    pub alpha: f64,
    /// Layers. Not stated in the paper; all seven linear layers of every block, not the head.
    pub targets: LoraTargets,
}

/// PEFT's `target_modules`, or `block-linears`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoraTargets {
    /// `block-linears`, or a regular expression that must match the whole module path.
    Pattern(String),
    /// Module names.
    Names(Vec<String>),
}

/// Where a sentence may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlacementName {
    /// The whole sentence inside the window.
    Contained,
    /// Only its start.
    StartInside,
}

/// How the log-probabilities of a sentence are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Sum divided by the number of tokens.
    Mean,
}

impl Default for AlignConfig {
    fn default() -> Self {
        Self {
            steps: None,
            epochs: 1,
            batch_size: 4,
            lr: 5e-5,
            beta: 0.05,
            clip: 0.01,
            weight_decay: 0.0,
            window: [20, 60],
            placement: PlacementName::Contained,
            reduction: Reduction::Sum,
            canvas_length: 128,
            seed: 0,
            lora: LoraSettings::default(),
        }
    }
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self { r: 32, alpha: 64.0, targets: LoraTargets::Pattern(BLOCK_LINEARS.into()) }
    }
}

const BLOCK_LINEARS: &str = "block-linears";

impl AlignConfig {
    /// The response window.
    pub fn window(&self) -> Window {
        Window { first: self.window[0], last: self.window[1] }
    }

    /// Steps in all for this many prompts.
    pub fn total_steps(&self, prompts: usize) -> usize {
        self.steps.unwrap_or((self.epochs * prompts).div_ceil(self.batch_size.max(1)))
    }

    /// Refuses values that cannot be used.
    ///
    /// # Errors
    /// [`AlignError::Setting`] naming the key.
    pub fn check(&self) -> Result<(), AlignError> {
        let wrong = |key, what: &str| Err(AlignError::Setting { key, what: what.into() });
        let positive = |v: f64| v.is_finite() && v > 0.0;
        match self {
            c if c.steps == Some(0) => wrong("steps", "must be positive"),
            c if c.epochs == 0 => wrong("epochs", "must be positive"),
            c if c.batch_size == 0 => wrong("batch_size", "must be positive"),
            c if !positive(c.lr) => wrong("lr", "must be a positive number"),
            c if !positive(c.clip) => wrong("clip", "must be a positive number"),
            c if !(c.beta.is_finite() && c.beta >= 0.0) => wrong("beta", "must be a number from 0 up"),
            c if !(c.weight_decay.is_finite() && c.weight_decay >= 0.0) => {
                wrong("weight_decay", "must be a number from 0 up")
            }
            c if c.window[0] > c.window[1] => wrong("window", "must be [first, last] with first <= last"),
            c if c.window[1] >= c.canvas_length => wrong("window", "must lie inside canvas_length"),
            c if c.lora.r == 0 => wrong("lora.r", "must be positive"),
            c if !c.lora.alpha.is_finite() => wrong("lora.alpha", "must be a number"),
            _ => Ok(()),
        }
    }
}

impl LoraTargets {
    /// The layers in a model whose block linears have these names.
    pub fn targets(&self, block_linears: &str) -> Targets {
        match self {
            Self::Pattern(p) if p == BLOCK_LINEARS => Targets::Pattern(block_linears.to_owned()),
            Self::Pattern(p) => Targets::Pattern(p.clone()),
            Self::Names(names) => Targets::Names(names.clone()),
        }
    }
}

impl PlacementName {
    /// The placement in code.
    pub fn placement(self) -> Placement {
        match self {
            Self::Contained => Placement::Contained,
            Self::StartInside => Placement::StartInside,
        }
    }
}
