//! A block of the model: attention, then a feed-forward part, each behind a norm and added to what came in.
//!
//! Shapes in comments: b rows, t computed positions, d width, n scored positions.

use crate::attention::SelfAttention;
use crate::feed_forward::FeedForward;
use crate::linear::Linear;
use crate::norm::RmsNorm;
use crate::parts::Parts;
use crate::pass::{Pass, select};
use crate::{ModelConfig, ModelError};
use tch::Tensor;

#[derive(Debug)]
pub(crate) struct Block {
    /// Which of the model's.
    index: usize,
    pub attention_norm: RmsNorm,
    pub attention: SelfAttention,
    pub feed_forward_norm: RmsNorm,
    pub feed_forward: FeedForward,
}

impl Block {
    /// Block `index` of the model.
    pub(crate) fn build(config: &ModelConfig, index: usize, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let path = config.block_path(index);
        let norm = |leaf: &str| parts.norm(&format!("{path}.{leaf}"), config.width, config.norm_eps);
        Ok(Self {
            index,
            attention: SelfAttention::build(&config.attention, &path, config.norm_eps, parts)?,
            feed_forward: FeedForward::build(&config.feed_forward[index], &path, parts)?,
            attention_norm: norm(config.names.attention_norm)?,
            feed_forward_norm: norm(config.names.feed_forward_norm)?,
        })
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        self.attention.linears().into_iter().chain(self.feed_forward.linears()).collect()
    }

    /// The same, to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.attention.linears_mut().into_iter().chain(self.feed_forward.linears_mut()).collect()
    }

    /// Brings the caches of the pass up to date by [b, t, d]. Nobody asks for what comes out: -> [0, d].
    pub(crate) fn fill(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor, ModelError> {
        self.attention.fill(self.index, &self.attention_norm.forward(x)?, pass)?;
        select(x, &pass.scored)
    }

    /// [b, t, d] -> [b, t, d]. After its attention only the `scored` positions are computed, if they are given: -> [n, d].
    pub(crate) fn forward(
        &self,
        x: Tensor,
        pass: &mut Pass<'_>,
        scored: Option<&Tensor>,
    ) -> Result<Tensor, ModelError> {
        let shares = pass.shares();
        let normed = |norm: &RmsNorm, x: &Tensor| if shares { norm.in_one_go(x) } else { norm.forward(x) };
        let mixed = self.attention.mix(self.index, &normed(&self.attention_norm, &x)?, pass)?;
        let (x, mixed) = match scored {
            Some(scored) => (select(&x, scored)?, select(&mixed, scored)?),
            None => (x, mixed),
        };
        let x = x.f_add(&self.attention.project(&mixed, pass)?)?;
        let y = self.feed_forward.forward(&normed(&self.feed_forward_norm, &x)?, pass)?;
        Ok(x.f_add(&y)?)
    }
}
