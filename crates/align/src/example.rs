//! One canvas and what the loss says about it.
//!
//! Every objective is a sum of three kinds of terms over response offsets i, with L the policy's log-probabilities:
//! `w L[i, token]` for listed tokens, `w KL_i` against the reference, and a window reward, whose weights w follow from
//! the L of its rows. So an objective only has to say which; [`crate::loss`] computes loss and gradient of all of them.

use crate::WindowReward;
use crate::options::KlDirection;
use mosa_core::{TokenId, Window};

/// Why an example is in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The objective's own data.
    Aligned,
    /// Harmless data on which the model must not change.
    Retained,
}

/// A canvas with its terms.
#[derive(Clone, Debug)]
pub struct Example {
    /// Number of its record in the data of its part, from 0.
    pub record: usize,
    /// Which data it is from.
    pub part: Part,
    /// Prompt and response region; masked where the model has to predict.
    pub canvas: Vec<TokenId>,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Weight of the example in the loss of the step.
    pub share: f64,
    /// Terms w L[offset, token].
    pub linear: Vec<Linear>,
    /// Terms w KL_offset, by ascending offset.
    pub kl: Vec<(usize, f64)>,
    /// Direction of the KL terms.
    pub direction: KlDirection,
    /// The term -R.
    pub reward: Option<WindowReward>,
    /// Windows inside which the KL is reported apart.
    pub windows: Vec<Window>,
}

/// weight * L[offset, token].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Response offset.
    pub offset: usize,
    /// The token.
    pub token: TokenId,
    /// Its weight in the loss.
    pub weight: f64,
}

impl Example {
    /// The offsets the reward has to see together, lowest first.
    pub(crate) fn reward_offsets(&self) -> Vec<usize> {
        self.reward.as_ref().map(WindowReward::offsets).unwrap_or_default()
    }

    /// All other offsets with a term, lowest first.
    pub(crate) fn other_offsets(&self) -> Vec<usize> {
        let reward = self.reward_offsets();
        let mut all: Vec<usize> = self.kl.iter().map(|(i, _)| *i).chain(self.linear.iter().map(|l| l.offset)).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|i| reward.binary_search(i).is_err());
        all
    }

    pub(crate) fn kl_weight(&self, offset: usize) -> f64 {
        self.kl.binary_search_by_key(&offset, |(i, _)| *i).map_or(0.0, |at| self.kl[at].1)
    }

    pub(crate) fn in_window(&self, offset: usize) -> bool {
        self.windows.iter().any(|w| (w.first..=w.last).contains(&offset))
    }
}
