//! The window score of a sentence (paper, Algorithm 1 lines 3-7).

use crate::{AlignError, Reduction};
use mosa_core::TokenId;
use std::ops::RangeInclusive;
use tch::{Kind, Tensor};

/// The best start of a sentence.
#[derive(Debug)]
pub struct BestStart {
    /// Its score; differentiable.
    pub score: Tensor,
    /// Its response offset.
    pub start: usize,
    /// The scores of all admissible starts, lowest start first.
    pub all: Vec<f64>,
}

/// score(k) = sum_j L[k + j, S_j] for every start k in `starts`: log_probs [length, vocabulary] -> one value per start.
///
/// # Errors
/// [`AlignError::Model`] if libtorch fails.
pub fn window_scores(
    log_probs: &Tensor,
    sentence: &[TokenId],
    starts: RangeInclusive<usize>,
    reduction: Reduction,
) -> Result<Tensor, AlignError> {
    let m = sentence.len();
    let ids: Vec<i64> = sentence.iter().map(|&t| i64::from(t)).collect();
    let ids = Tensor::f_from_slice(&ids)?.f_to_device(log_probs.device())?;
    let columns = log_probs.f_index_select(1, &ids)?; // [length, m]
    let count = starts.clone().count() as i64;
    // Entry (k, j) lies at row k + j, column j.
    let flat: Vec<i64> = starts.flat_map(|k| (0..m).map(move |j| ((k + j) * m + j) as i64)).collect();
    let flat = Tensor::f_from_slice(&flat)?.f_to_device(log_probs.device())?;
    let scores = columns.f_flatten(0, 1)?.f_index_select(0, &flat)?.f_view([count, m as i64])?.f_sum_dim_intlist(
        1,
        false,
        Kind::Float,
    )?;
    Ok(match reduction {
        Reduction::Sum => scores,
        Reduction::Mean => scores.f_div_scalar(m as i64)?,
    })
}

/// max over `starts` of [`window_scores`]; ties go to the lowest start.
///
/// # Errors
/// [`AlignError::Model`] if libtorch fails.
pub fn best_start(
    log_probs: &Tensor,
    sentence: &[TokenId],
    starts: RangeInclusive<usize>,
    reduction: Reduction,
) -> Result<BestStart, AlignError> {
    let scores = window_scores(log_probs, sentence, starts.clone(), reduction)?;
    let all: Vec<f64> =
        Vec::<f32>::try_from(scores.detach().f_to_device(tch::Device::Cpu)?)?.into_iter().map(f64::from).collect();
    let best = (0..all.len()).fold(0, |best, i| if all[i] > all[best] { i } else { best });
    Ok(BestStart { score: scores.f_select(0, best as i64)?, start: starts.start() + best, all })
}
