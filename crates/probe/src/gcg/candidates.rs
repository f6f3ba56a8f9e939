//! Candidates of an iteration: random substitutions by the tokens the gradient favours.

use super::filter::Filter;
use super::goal::Goal;
use crate::ProbeError;
use mosa_core::{Rng, TokenId};
use std::collections::HashSet;
use tch::{Device, Kind, Tensor};

/// Draws per candidate wanted before a search goes on with fewer.
const REDRAWS: usize = 8;

/// How candidates are drawn.
pub struct Proposal<'a> {
    /// What they are for.
    pub goal: &'a Goal,
    /// What they must pass.
    pub filter: &'a Filter<'a>,
    /// Tokens considered per position.
    pub top_k: usize,
    /// Candidates wanted.
    pub count: usize,
    /// Positions changed in each.
    pub replace: usize,
}

impl Proposal<'_> {
    /// Distinct suffixes that pass the filter, each with `replace` random positions of `suffix` filled with random ones
    /// of the `top_k` allowed tokens that have the lowest `gradient` [suffix length, vocabulary] there. Fewer than
    /// wanted if the filter refuses most of them.
    ///
    /// # Errors
    /// [`ProbeError::Model`] if libtorch fails.
    pub fn draw(&self, gradient: &Tensor, suffix: &[TokenId], rng: &mut Rng) -> Result<Vec<Vec<TokenId>>, ProbeError> {
        let favoured = self.favoured(gradient)?;
        let mut seen = HashSet::from([suffix.to_vec()]);
        let mut kept = Vec::new();
        for _ in 0..self.draws() {
            if kept.len() == self.count {
                break;
            }
            let mut candidate = suffix.to_vec();
            for &position in rng.permutation(suffix.len()).iter().take(self.replace) {
                if let list @ [_, ..] = favoured[position].as_slice() {
                    candidate[position] = list[rng.below(list.len())];
                }
            }
            if seen.insert(candidate.clone()) && self.keeps(&candidate) {
                kept.push(candidate);
            }
        }
        Ok(kept)
    }

    /// The most candidates that are drawn in an iteration.
    pub(super) fn draws(&self) -> usize {
        self.count.saturating_mul(REDRAWS)
    }

    fn keeps(&self, suffix: &[TokenId]) -> bool {
        (self.filter.keep)(&self.goal.prompt_with(suffix), self.goal.suffix.clone())
    }

    /// The allowed tokens with the lowest gradient at each position, lowest first.
    fn favoured(&self, gradient: &Tensor) -> Result<Vec<Vec<TokenId>>, ProbeError> {
        let _no_grad = tch::no_grad_guard();
        let allowed = Tensor::f_from_slice(self.filter.allowed.as_slice())?.f_to_device(gradient.device())?;
        let masked = gradient.f_to_kind(Kind::Float)?.f_masked_fill(&allowed.f_logical_not()?, f64::INFINITY)?;
        let k = self.top_k.min(masked.size()[1] as usize) as i64;
        let (values, ids) = masked.f_topk(k, -1, false, true)?;
        let values = Vec::<f32>::try_from(values.f_flatten(0, 1)?.f_to_device(Device::Cpu)?)?;
        let ids = Vec::<i64>::try_from(ids.f_flatten(0, 1)?.f_to_device(Device::Cpu)?)?;
        let finite = |(v, ids): (&[f32], &[i64])| -> Vec<TokenId> {
            v.iter().zip(ids).filter(|(v, _)| v.is_finite()).map(|(_, &id)| id as TokenId).collect()
        };
        Ok(values.chunks(k.max(1) as usize).zip(ids.chunks(k.max(1) as usize)).map(finite).collect())
    }
}
