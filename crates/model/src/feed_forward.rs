//! The feed-forward part of a block: which kinds there are.

use crate::ModelError;
use crate::dense::{Dense, DenseConfig};
use crate::experts::{Experts, ExpertsConfig};
use crate::linear::Linear;
use crate::parts::Parts;
use crate::pass::Pass;
use crate::spec::LinearShape;
use tch::Tensor;

/// The shape of a feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeedForwardConfig {
    /// Every position goes through the same layers.
    Dense(DenseConfig),
    /// Every position goes through some of many.
    Experts(ExpertsConfig),
}

impl FeedForwardConfig {
    /// Channels inside it; inside one expert, where there are some.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.width,
            Self::Experts(experts) => experts.expert.width,
        }
    }

    /// How many experts positions are distributed over.
    pub(crate) fn experts(&self) -> usize {
        match self {
            Self::Dense(_) => 0,
            Self::Experts(experts) => experts.router.experts,
        }
    }

    /// Its linear layers in the order adapters count them.
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        match self {
            Self::Dense(dense) => dense.linears(width),
            Self::Experts(experts) => experts.linears(width),
        }
    }

    /// How the paths of the layers that write to the residual stream end.
    pub(crate) fn output(&self) -> &'static str {
        match self {
            Self::Dense(dense) => dense.names.down,
            Self::Experts(experts) => experts.expert.names.down,
        }
    }

    /// The path inside a block of the weight that belongs to no layer, and how many numbers it has: what is added to the
    /// scores of experts.
    pub(crate) fn bias(&self) -> Option<(&'static str, usize)> {
        match self {
            Self::Dense(_) => None,
            Self::Experts(experts) => experts.router.names.bias.map(|leaf| (leaf, experts.router.experts)),
        }
    }

    /// Multiply-adds of one position.
    pub(crate) fn multiply_adds(&self, width: usize) -> f64 {
        match self {
            Self::Dense(dense) => dense.multiply_adds(width),
            Self::Experts(experts) => experts.multiply_adds(width),
        }
    }
}

/// The feed-forward part of one block.
#[derive(Debug)]
pub(crate) enum FeedForward {
    Dense(Dense),
    Experts(Box<Experts>),
}

impl FeedForward {
    /// The one of the block at `path`.
    pub(crate) fn build(config: &FeedForwardConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        match config {
            FeedForwardConfig::Dense(config) => Ok(Self::Dense(Dense::build(config, path, parts)?)),
            FeedForwardConfig::Experts(config) => Ok(Self::Experts(Experts::build(config, path, parts)?.into())),
        }
    }

    /// Normed hidden states [.., d] -> [.., d].
    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor, ModelError> {
        match self {
            Self::Dense(dense) if pass.shares() => dense.in_one_go(x, pass.adapter),
            Self::Dense(dense) => dense.forward(x, pass.adapter),
            Self::Experts(experts) => experts.forward(x, pass.adapter),
        }
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Dense(dense) => dense.linears().to_vec(),
            Self::Experts(experts) => experts.linears(),
        }
    }

    /// The weight that belongs to no layer.
    pub(crate) fn bias(&self) -> Option<&Tensor> {
        match self {
            Self::Dense(_) => None,
            Self::Experts(experts) => experts.bias(),
        }
    }

    /// The same, to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::Dense(dense) => dense.linears_mut().into(),
            Self::Experts(experts) => experts.linears_mut(),
        }
    }
}
