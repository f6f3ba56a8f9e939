//! One canvas and what the loss says about it.
//!
//! Every objective is a sum of four kinds of terms over response offsets i, with L the policy's log-probabilities:
//! `w L[i, token]` for listed tokens, `w KL_i` against the reference, a window reward, whose weights w follow from
//! the L of its rows, and a preference between two answers, whose weights follow from the L of several examples. So an
//! objective only has to say which; [`crate::loss`] computes loss and gradient of all of them.

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
    /// Whole responses as they stand once written, of which a block sees the blocks before it; for models that write in
    /// blocks. Each makes a sheet, a row of its own: the safe sentence is scored on the first and the harmful one on the
    /// last, and other terms are averaged over them. None: one sheet, on which every block sees the canvas.
    pub written: Vec<Vec<TokenId>>,
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
    /// The term of a pair of answers, shared by all examples that look at either of them.
    pub preference: Option<Preference>,
    /// Windows inside which the KL is reported apart.
    pub windows: Vec<Window>,
}

/// One look at an answer of a pair: the loss wants one answer to gain more likelihood over the reference than the other.
///
/// An answer's log-likelihood is the sum of the terms of all examples that look at it, with the same canvases for policy and
/// reference. An answer may have any number of them, but those of a pair are computed in one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// Number of the pair in its step.
    pub pair: usize,
    /// Whether the answer is the one that is wanted.
    pub chosen: bool,
    /// Scale of the difference of the two gains.
    pub beta: f64,
    /// Terms w L[offset, token] of the log-likelihood.
    pub terms: Vec<Linear>,
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

/// A place that is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which sheet of its example.
    pub sheet: usize,
    /// Offset in the response.
    pub offset: usize,
}

impl Linear {
    /// The same term with `factor` times the weight.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { weight: self.weight * factor, ..self }
    }
}

impl Example {
    /// How many rows it is.
    pub(crate) fn sheets(&self) -> usize {
        self.written.len().max(1)
    }

    /// What a term on one sheet counts for.
    pub(crate) fn sheet_share(&self) -> f64 {
        1.0 / self.sheets() as f64
    }

    /// The places the reward has to see together, sheet after sheet, lowest offset first.
    pub(crate) fn reward_places(&self) -> Vec<Place> {
        let Some(reward) = &self.reward else { return Vec::new() };
        let last = self.sheets() - 1;
        let on = |sheet| move |offset| Place { sheet, offset };
        if last == 0 {
            return reward.offsets().into_iter().map(on(0)).collect();
        }
        let [safe, harmful] = reward.offsets_of_each();
        safe.into_iter().map(on(0)).chain(harmful.into_iter().map(on(last))).collect()
    }

    /// All other places with a term, in order.
    pub(crate) fn other_places(&self) -> Vec<Place> {
        let reward = self.reward_places();
        let preferred = self.preference.iter().flat_map(|p| &p.terms);
        let linear = self.linear.iter().chain(preferred).map(|l| l.offset);
        let mut all: Vec<usize> = self.kl.iter().map(|(i, _)| *i).chain(linear).collect();
        all.sort_unstable();
        all.dedup();
        let sheets = 0..self.sheets();
        let places = sheets.flat_map(|sheet| all.iter().map(move |&offset| Place { sheet, offset }));
        places.filter(|place| reward.binary_search(place).is_err()).collect()
    }

    /// The weight of the KL at an offset of one sheet.
    pub(crate) fn kl_weight(&self, offset: usize) -> f64 {
        let weight = self.kl.binary_search_by_key(&offset, |(i, _)| *i).map_or(0.0, |at| self.kl[at].1);
        weight * self.sheet_share()
    }

    /// The number of its pair.
    pub(crate) fn pair(&self) -> Option<usize> {
        self.preference.as_ref().map(|p| p.pair)
    }

    pub(crate) fn in_window(&self, offset: usize) -> bool {
        self.windows.iter().any(|w| (w.first..=w.last).contains(&offset))
    }
}
