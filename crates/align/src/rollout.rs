//! Answers that a policy gives while it is trained, and what they are worth.

use crate::AlignError;
use mosa_core::TokenId;
use mosa_engine::{Batching, Options};
use std::fmt::Debug;

/// An answer that the policy gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout<'a> {
    /// Number of its record, from 0.
    pub record: usize,
    /// Its tokens up to the first end token, what stood on the canvas before among them.
    pub tokens: &'a [TokenId],
}

/// Somebody who says what answers are worth: text in, number out.
///
/// For a run that is killed and resumed to end in the same bytes, the same answer to the same record must have the same reward.
pub trait Reward: Debug {
    /// A finite number for each answer, in order; more is better.
    ///
    /// # Errors
    /// [`AlignError::Reward`] if there is none for an answer. The step is then not made.
    fn rewards(&self, answers: &[Rollout<'_>]) -> Result<Vec<f64>, AlignError>;
}

/// How a policy answers while it is trained.
#[derive(Clone, Debug)]
pub struct Rollouts<'a> {
    /// The sampler; its length is the canvas's. Each answer has a seed of its own.
    pub options: Options,
    /// How answers share passes.
    pub batching: Batching,
    /// What an answer is worth.
    pub reward: &'a dyn Reward,
}

/// Added to the spread of a group, as in published trainers.
const SPREAD_FLOOR: f64 = 1e-4;

/// How much better than its group an answer is (GRPO, arXiv 2402.03300): A = r - mean r, divided by the spread of the group
/// (the sample's standard deviation) plus 1e-4 if `normalise`.
pub fn advantages(rewards: &[f64], normalise: bool) -> Vec<f64> {
    let spread = if normalise { spread(rewards) + SPREAD_FLOOR } else { 1.0 };
    let mean = mean(rewards);
    rewards.iter().map(|r| (r - mean) / spread).collect()
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation of a sample; 0 of one value.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}
