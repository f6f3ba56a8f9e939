//! The feed-forward part of a block: which kinds there are.

use crate::dense::{Dense, DenseConfig};
use crate::linear::Linear;
use crate::parts::Parts;
use crate::spec::LinearShape;
use crate::{Adapter, ModelError};
use tch::Tensor;

/// The shape of a feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardConfig {
    /// Every position goes through the same layers.
    Dense(DenseConfig),
}

impl FeedForwardConfig {
    /// Channels inside it.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.width,
        }
    }

    /// Its linear layers in the order adapters count them.
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        match self {
            Self::Dense(dense) => dense.linears(width),
        }
    }

    /// The layer that writes to the residual stream.
    pub(crate) fn output(&self) -> &'static str {
        match self {
            Self::Dense(dense) => dense.names.down,
        }
    }

    /// Multiply-adds of one position.
    pub(crate) fn multiply_adds(&self, width: usize) -> f64 {
        match self {
            Self::Dense(dense) => dense.multiply_adds(width),
        }
    }
}

/// The feed-forward part of one block.
#[derive(Debug)]
pub(crate) enum FeedForward {
    Dense(Dense),
}

impl FeedForward {
    /// The one of the block at `path`.
    pub(crate) fn build(config: &FeedForwardConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        match config {
            FeedForwardConfig::Dense(config) => Ok(Self::Dense(Dense::build(config, path, parts)?)),
        }
    }

    /// Normed hidden states [.., d] -> [.., d].
    pub(crate) fn forward(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        match self {
            Self::Dense(dense) => dense.forward(x, adapter),
        }
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Dense(dense) => dense.linears().to_vec(),
        }
    }

    /// The same, to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::Dense(dense) => dense.linears_mut().into(),
        }
    }
}
