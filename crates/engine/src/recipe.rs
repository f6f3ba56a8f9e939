//! How tokens are chosen and judged, for a matrix of logits whose rows ask for the same.

use crate::asked::Asked;
use crate::device_noise::noisy_argmax_of;
use crate::noise::{Scratch, noisy_argmax};
use crate::options::{EndRule, MaskRule};
use crate::{EngineError, Statistic};
use mosa_core::{Rng, TokenId};
use tch::{Device, Kind, Tensor};

/// What was computed of n positions.
pub(crate) struct Found {
    /// [n] chosen tokens, int64: f32 has no odd ids above 2^24.
    pub tokens: Tensor,
    /// [3, n], f32: odds against the token, its log-probability for odds beyond f32, and the policy's statistic.
    pub sureness: Tensor,
}

/// What decides how candidates are computed, but for the noise. Rows with the same can be one matrix.
#[derive(PartialEq)]
pub(crate) struct Recipe {
    /// End tokens that are never chosen.
    never: Vec<TokenId>,
    /// End tokens that get probability 0 in the confidences.
    pub last: Vec<TokenId>,
    mask: TokenId,
    mask_rule: MaskRule,
    tempered: bool,
    temperature: f64,
    top_p: Option<f64>,
    top_k: Option<usize>,
    statistic: Statistic,
}

/// Bytes that a part of a matrix may take off the CPU.
const PART_BYTES: usize = 1 << 30;

impl Recipe {
    pub(crate) fn of(row: &Asked<'_>) -> Self {
        let Asked { options, draw, .. } = row;
        let (eos, eot) = (options.ends.eos, options.ends.eot);
        let both = || std::iter::once(eos).chain(eot).collect();
        let (never, last) = match options.end_rule {
            EndRule::Free => (vec![], vec![]),
            EndRule::NeverEos => (vec![eos], vec![]),
            EndRule::EndsLast => (vec![], both()),
            EndRule::Both => (vec![eos], both()),
        };
        Self {
            never,
            last,
            mask: draw.mask,
            mask_rule: draw.mask_rule,
            tempered: draw.tempered,
            temperature: options.temperature,
            top_p: options.top_p,
            top_k: options.top_k,
            statistic: options.commit.policy().statistic(),
        }
    }

    /// Positions of a part: per token of the vocabulary 4 bytes of a logit and as many per tensor made of it; where noise is made
    /// in 64 bits, or a row sorted, up to a dozen tensors of 8 bytes.
    pub(crate) fn most_positions(&self, vocab: i64) -> usize {
        let bytes = match (self.temperature > 0.0, self.top_p.is_some()) {
            (false, false) => 16,
            _ => 96,
        };
        (PART_BYTES / (bytes * usize::try_from(vocab).unwrap_or(1).max(1))).max(1)
    }

    /// Tokens and how sure the model is of them, from logits [n, vocabulary] in f32, which are overwritten.
    pub(crate) fn compute(&self, mut l: Tensor, draws: &[Rng]) -> Result<Found, EngineError> {
        for &id in &self.never {
            fill_column(&l, id, f64::NEG_INFINITY)?;
        }
        if self.tempered {
            l = self.filtered(l)?;
        }
        let tokens = self.choose(&l, draws)?; // [n]
        for &id in &self.last {
            fill_column(&l, id, f64::NEG_INFINITY)?;
        }
        let sureness = confidences(l, &tokens, self.statistic)?;
        Ok(Found { tokens, sureness })
    }

    /// Dream's order: divide by the temperature, then top-p, then top-k; removed tokens get -inf.
    fn filtered(&self, l: Tensor) -> Result<Tensor, EngineError> {
        let mut l = if self.temperature > 0.0 { l.f_div_scalar(self.temperature)? } else { l };
        if let Some(p) = self.top_p.filter(|p| *p < 1.0) {
            let (sorted, order) = l.f_sort(-1, true)?;
            let before = sorted.f_softmax(-1, Kind::Float)?.f_cumsum(-1, Kind::Float)?;
            // The first token above p stays: a token goes if the sum before it already exceeds p.
            let over = before.f_gt(p)?.f_roll(1, -1)?;
            let _ = over.f_narrow(1, 0, 1)?.f_fill_(0)?;
            let removed = over.f_zeros_like()?.f_scatter(-1, &order, &over)?;
            l = l.f_masked_fill(&removed, f64::NEG_INFINITY)?;
        }
        if let Some(k) = self.top_k {
            let k = i64::try_from(k).unwrap_or(i64::MAX).min(l.size()[1]);
            let smallest = l.f_topk(k, -1, true, true)?.0.f_narrow(1, k - 1, 1)?;
            l = l.f_masked_fill(&l.f_less_tensor(&smallest)?, f64::NEG_INFINITY)?;
        }
        Ok(l)
    }

    /// The chosen token of each row, [n] int64. The mask token is left out here and only here.
    fn choose(&self, l: &Tensor, draws: &[Rng]) -> Result<Tensor, EngineError> {
        let held = column(l, self.mask)?.f_alias_copy()?;
        if self.mask_rule == MaskRule::Suppress {
            fill_column(l, self.mask, f64::NEG_INFINITY)?;
        }
        let chosen = if self.temperature > 0.0 {
            // Tempered logits are already divided by the temperature.
            sample(l, if self.tempered { 1.0 } else { self.temperature }, draws)?
        } else {
            l.f_argmax(-1, false)?
        };
        column(l, self.mask)?.f_copy_(&held)?;
        Ok(chosen)
    }
}

fn column(l: &Tensor, id: TokenId) -> Result<Tensor, EngineError> {
    Ok(l.f_narrow(1, i64::from(id), 1)?)
}

fn fill_column(l: &Tensor, id: TokenId, value: f64) -> Result<(), EngineError> {
    let _ = column(l, id)?.f_fill_(value)?;
    Ok(())
}

/// Gumbel-max: a token drawn from softmax(l / temperature) for each position, [n] int64, by the position's generator alone.
fn sample(l: &Tensor, temperature: f64, draws: &[Rng]) -> Result<Tensor, EngineError> {
    match l.device() {
        Device::Cuda(_) => {
            let keys: Vec<u64> = draws.iter().map(|rng| rng.clone().bits()).collect();
            Ok(noisy_argmax_of(l, temperature, &keys)?)
        }
        _ => sample_on_host(l, temperature, draws),
    }
}

/// A few positions per thread. Also for devices without 64-bit floats.
fn sample_on_host(l: &Tensor, temperature: f64, draws: &[Rng]) -> Result<Tensor, EngineError> {
    let vocab = l.size()[1] as usize;
    let mut host = vec![0f32; l.numel()];
    l.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut host, l.numel())?;
    let threads = (tch::get_num_threads().max(1) as usize).min(draws.len());
    let mut chosen = vec![0i64; draws.len()];
    let share = draws.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for ((out, own), rows) in chosen.chunks_mut(share).zip(draws.chunks(share)).zip(host.chunks(share * vocab)) {
            scope.spawn(move || {
                let mut scratch = Scratch::default();
                for ((slot, rng), row) in out.iter_mut().zip(own).zip(rows.chunks_exact(vocab)) {
                    *slot = noisy_argmax(row, temperature, rng.clone(), &mut scratch) as i64;
                }
            });
        }
    });
    Ok(Tensor::f_from_slice(&chosen)?.f_to_device(l.device())?)
}

/// [3, n]: the odds against the chosen token, its log-probability (for odds beyond f32), and the policy's statistic.
///
/// odds r = sum over v != x of exp(l_v - l_x), so that p = 1 / (1 + r). A tiny r keeps its digits where 1 - p has none.
fn confidences(l: Tensor, chosen: &Tensor, statistic: Statistic) -> Result<Tensor, EngineError> {
    let index = chosen.f_unsqueeze(-1)?; // [n, 1]
    let picked = l.f_gather(-1, &index, false)?;
    let extra = match statistic {
        Statistic::Probability => picked.f_zeros_like()?.f_squeeze_dim(-1)?,
        Statistic::Margin => {
            let top = l.f_softmax(-1, Kind::Float)?.f_topk(2, -1, true, true)?.0;
            top.f_select(1, 0)?.f_sub(&top.f_select(1, 1)?)?
        }
        Statistic::NegativeEntropy => {
            let p = l.f_softmax(-1, Kind::Float)?;
            p.f_mul(&p.f_add_scalar(1e-10)?.f_log()?)?.f_sum_dim_intlist(-1, false, Kind::Float)?
        }
    };
    let fallback = picked.f_squeeze_dim(-1)?.f_sub(&l.f_amax(-1, false)?)?;
    let mut odds = l.f_sub(&picked)?;
    let odds = odds.f_exp_()?.f_scatter_value_(-1, &index, 0.0)?.f_sum_dim_intlist(-1, false, Kind::Float)?;
    Ok(Tensor::f_stack(&[odds, fallback, extra], 0)?)
}
