//! What one optimiser step did.

use crate::example::Part;
use crate::loss::Terms;
use crate::preference::Pair;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Mean loss of the objective's own examples apart from the others, where both have one (`a2d-eos`: harmful answers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_own: Option<f64>,
    /// Mean loss of the others (`a2d-eos`: harmless and safe answers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_retain: Option<f64>,
    /// Pairs of answers, if the objective has them.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub preference: Option<PreferenceMetrics>,
    /// Answers of the policy, if the objective asks for them.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub rollouts: Option<RolloutMetrics>,
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

/// Pairs of answers, means over the batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreferenceMetrics {
    /// How much more log-likelihood the chosen answer gained over the reference than the rejected one.
    pub margin: f64,
    /// Share of the pairs with a margin above 0.
    #[serde(rename = "margin_positive")]
    pub positive: f64,
    /// Estimated log-likelihood of the chosen answer.
    #[serde(rename = "elbo_chosen")]
    pub chosen: f64,
    /// Estimated log-likelihood of the rejected answer.
    #[serde(rename = "elbo_rejected")]
    pub rejected: f64,
    /// Gain of the chosen answer over the reference.
    #[serde(rename = "gain_chosen")]
    pub chosen_gain: f64,
    /// Gain of the rejected answer over the reference.
    #[serde(rename = "gain_rejected")]
    pub rejected_gain: f64,
}

/// Answers that the policy gave for a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutMetrics {
    /// Mean reward.
    #[serde(rename = "rollout_reward")]
    pub reward: f64,
    /// Mean spread of the rewards of a group; where it is 0, nothing is learned from a group.
    #[serde(rename = "rollout_spread")]
    pub spread: f64,
    /// Denoising steps after which the policy took over.
    pub t_inter: usize,
    /// Mean tokens of an answer before its end.
    #[serde(rename = "rollout_tokens")]
    pub tokens: f64,
    /// Passes of the model.
    #[serde(rename = "rollout_forwards")]
    pub forwards: usize,
}

impl PreferenceMetrics {
    fn of(terms: &[&Terms]) -> Option<Self> {
        let mut pairs: BTreeMap<usize, Pair> = BTreeMap::new();
        for look in terms.iter().filter_map(|t| t.preference) {
            let pair = pairs.entry(look.pair).or_default();
            let answer = if look.chosen { &mut pair.chosen } else { &mut pair.rejected };
            answer.add(look.part);
        }
        let of = |f: &dyn Fn(&Pair) -> f64| mean(pairs.values().map(f));
        (!pairs.is_empty()).then(|| Self {
            margin: of(&Pair::margin),
            positive: of(&|p| f64::from(u8::from(p.margin() > 0.0))),
            chosen: of(&|p| p.chosen.policy),
            rejected: of(&|p| p.rejected.policy),
            chosen_gain: of(&|p| p.chosen.gain()),
            rejected_gain: of(&|p| p.rejected.gain()),
        })
    }
}

impl StepMetrics {
    /// The means over the terms of a step; the caller adds what it measured itself.
    pub(crate) fn of(terms: &[Terms], loss: f64) -> Self {
        let own: Vec<&Terms> = terms.iter().filter(|t| t.part == Part::Aligned).collect();
        let retained: Vec<&Terms> = terms.iter().filter(|t| t.part == Part::Retained).collect();
        let taught = retained.iter().any(|t| t.has_linear);
        let apart = taught && !own.is_empty();
        let (kl, kl_inside) = (mean(own.iter().map(|t| t.kl)), mean(own.iter().map(|t| t.kl_inside)));
        Self {
            loss,
            reward: RewardMetrics::of(&own),
            kl,
            kl_inside,
            kl_outside: kl - kl_inside,
            kl_retain: (!taught && !retained.is_empty()).then(|| mean(retained.iter().map(|t| t.kl))),
            loss_own: apart.then(|| mean(own.iter().map(|t| t.loss))),
            loss_retain: apart.then(|| mean(retained.iter().map(|t| t.loss))),
            preference: PreferenceMetrics::of(&own),
            records: records(&own),
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
        let rewarded = terms.iter().filter(|t| t.reward.is_some());
        let references: Option<Vec<f64>> = rewarded.map(|t| t.reward_reference).collect();
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

/// The records of a step; one that several examples look at is named once for them.
fn records(own: &[&Terms]) -> Vec<usize> {
    let mut records: Vec<(Option<usize>, usize)> =
        own.iter().map(|t| (t.preference.map(|look| look.pair), t.record)).collect();
    records.dedup_by(|a, b| a.0.is_some() && a == b);
    records.into_iter().map(|(_, record)| record).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    sum / n.max(1) as f64
}
