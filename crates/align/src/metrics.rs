//! What one optimiser step did.

use crate::example::Part;
use crate::loss::Terms;
use serde::{Deserialize, Serialize};

/// Values before the update. What an objective does not have is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// From 1.
    pub step: usize,
    /// The whole loss.
    pub loss: f64,
    /// Reward of the step, if the objective has one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub reward: Option<RewardMetrics>,
    /// Mean KL over the objective's prompts, summed over positions.
    pub kl: f64,
    /// The part of it inside the windows.
    pub kl_inside: f64,
    /// The part of it outside.
    pub kl_outside: f64,
    /// Mean KL over the retain prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_retain: Option<f64>,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Which records (0-based) were in the batch.
    pub records: Vec<usize>,
    /// Wall time of the step in seconds.
    pub seconds: f64,
    /// Canvas tokens per second, all passes of the step counted once.
    pub tokens_per_s: f64,
    /// Highest resident memory of the process so far in MB; what a GPU holds is not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_mb: Option<f64>,
    /// Memory in use on the GPU in MB, by all programs: libtorch keeps what it once had, so the most so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_mb: Option<f64>,
}

/// R and its parts, means over the batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardMetrics {
    /// R.
    #[serde(rename = "reward")]
    pub value: f64,
    /// R of the reference for the same prompts and sentences: R depends on the pair drawn, the difference does not.
    #[serde(rename = "reward_reference", skip_serializing_if = "Option::is_none")]
    pub reference: Option<f64>,
    /// Score of the safe sentence.
    #[serde(rename = "reward_pos")]
    pub safe: f64,
    /// Score of the harmful sentence.
    #[serde(rename = "reward_neg")]
    pub harmful: f64,
    /// Log-probability per token of the safe sentence where it fits best.
    #[serde(rename = "reward_pos_per_token")]
    pub safe_per_token: f64,
    /// The same of the harmful sentence.
    #[serde(rename = "reward_neg_per_token")]
    pub harmful_per_token: f64,
    /// Best start of the safe sentence per prompt.
    #[serde(rename = "k_pos")]
    pub safe_starts: Vec<usize>,
    /// Best start of the harmful sentence per prompt.
    #[serde(rename = "k_neg")]
    pub harmful_starts: Vec<usize>,
}

impl StepMetrics {
    /// The means over the terms of a step; the caller adds what it measured itself.
    pub(crate) fn of(terms: &[Terms], loss: f64) -> Self {
        let own: Vec<&Terms> = terms.iter().filter(|t| t.part == Part::Aligned).collect();
        let retained: Vec<&Terms> = terms.iter().filter(|t| t.part == Part::Retained).collect();
        let (kl, kl_inside) = (mean(own.iter().map(|t| t.kl)), mean(own.iter().map(|t| t.kl_inside)));
        Self {
            loss,
            reward: RewardMetrics::of(&own),
            kl,
            kl_inside,
            kl_outside: kl - kl_inside,
            kl_retain: (!retained.is_empty()).then(|| mean(retained.iter().map(|t| t.kl))),
            records: own.iter().map(|t| t.record).collect(),
            ..Self::default()
        }
    }
}

impl RewardMetrics {
    fn of(terms: &[&Terms]) -> Option<Self> {
        let rewards: Vec<_> = terms.iter().filter_map(|t| t.reward.as_ref()).collect();
        if rewards.is_empty() {
            return None;
        }
        let references: Option<Vec<f64>> = terms.iter().map(|t| t.reward_reference).collect();
        let best =
            |all: &[f64], tokens: usize| all.iter().copied().fold(f64::NEG_INFINITY, f64::max) / tokens.max(1) as f64;
        Some(Self {
            value: mean(rewards.iter().map(|r| r.reward)),
            reference: references.map(|r| mean(r.into_iter())),
            safe: mean(rewards.iter().map(|r| r.safe.score)),
            harmful: mean(rewards.iter().map(|r| r.harmful.score)),
            safe_per_token: mean(rewards.iter().map(|r| best(&r.safe.all, r.safe.tokens))),
            harmful_per_token: mean(rewards.iter().map(|r| best(&r.harmful.all, r.harmful.tokens))),
            safe_starts: rewards.iter().map(|r| r.safe.start).collect(),
            harmful_starts: rewards.iter().map(|r| r.harmful.start).collect(),
        })
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    sum / n.max(1) as f64
}
