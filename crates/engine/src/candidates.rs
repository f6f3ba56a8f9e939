//! From logits to candidates: for each masked position, the chosen token and how sure the model is of it.

use crate::noise::{Scratch, noisy_argmax};
use crate::options::{EndRule, MaskRule, Schedule};
use crate::{EngineError, Options, Statistic, Step};
use mosa_core::{Rng, Stream, TokenId};
use tch::{Device, Kind, Tensor};

/// A masked position and the token that would be committed there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Canvas position.
    pub position: usize,
    /// The chosen token.
    pub token: TokenId,
    /// ln of its probability. Computed so that probabilities that round to 1 can still be told apart.
    pub log_probability: f64,
    /// What the policy asked for beyond the probability: margin or negative entropy, else 0.
    pub statistic: f64,
}

impl Candidate {
    /// The probability of the token in the confidence softmax.
    pub fn probability(&self) -> f64 {
        self.log_probability.exp()
    }
}

/// When candidates are drawn, and what of the mask token.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    pub step: Step,
    pub mask: TokenId,
    pub mask_rule: MaskRule,
}

/// The candidates of one row, logits [n, vocabulary] of n positions, n > 0; or the first position whose logits are not
/// numbers. Writes into `logits`.
pub(crate) fn candidates(
    logits: Tensor,
    positions: &[usize],
    options: &Options,
    draw: Draw,
) -> Result<Result<Vec<Candidate>, NotANumber>, EngineError> {
    let Ends { never, last } = Ends::of(options);
    let mut l = logits.f_to_kind(Kind::Float)?; // [n, v]
    for id in never {
        fill_column(&l, id, f64::NEG_INFINITY)?;
    }
    let tempered = matches!(options.schedule, Schedule::Timesteps { .. });
    if tempered {
        l = filtered(l, options)?;
    }
    let chosen = choose(&l, positions, options, (draw, tempered))?; // [n]
    for &id in &last {
        fill_column(&l, id, f64::NEG_INFINITY)?;
    }
    let statistic = options.commit.policy().statistic();
    let surely = confidences(l, &chosen, statistic)?;
    // Ids stay integers: f32 has no odd ones above 2^24.
    let tokens = Vec::<i64>::try_from(chosen.f_to_device(Device::Cpu)?)?;
    let host = Vec::<f32>::try_from(surely.f_to_device(Device::Cpu)?)?;
    let n = positions.len();
    Ok((0..n)
        .map(|i| {
            let token = tokens[i] as TokenId;
            let (odds, fallback, statistic) = (f64::from(host[i]), f64::from(host[n + i]), f64::from(host[2 * n + i]));
            let log_probability = match (last.contains(&token), odds.is_finite()) {
                (true, _) => f64::NEG_INFINITY,
                (false, true) => -odds.ln_1p(),
                (false, false) => fallback,
            };
            if log_probability.is_nan() || statistic.is_nan() {
                return Err(NotANumber { position: positions[i] });
            }
            Ok(Candidate { position: positions[i], token, log_probability, statistic })
        })
        .collect())
}

/// Logits that are not numbers.
pub(crate) struct NotANumber {
    pub position: usize,
}

/// End tokens that are never chosen, and end tokens that get probability 0 in the confidences.
struct Ends {
    never: Vec<TokenId>,
    last: Vec<TokenId>,
}

impl Ends {
    fn of(options: &Options) -> Self {
        let (eos, eot) = (options.ends.eos, options.ends.eot);
        let both = || std::iter::once(eos).chain(eot).collect();
        match options.end_rule {
            EndRule::Free => Self { never: vec![], last: vec![] },
            EndRule::NeverEos => Self { never: vec![eos], last: vec![] },
            EndRule::EndsLast => Self { never: vec![], last: both() },
            EndRule::Both => Self { never: vec![eos], last: both() },
        }
    }
}

fn column(l: &Tensor, id: TokenId) -> Result<Tensor, EngineError> {
    Ok(l.f_narrow(1, i64::from(id), 1)?)
}

fn fill_column(l: &Tensor, id: TokenId, value: f64) -> Result<(), EngineError> {
    let _ = column(l, id)?.f_fill_(value)?;
    Ok(())
}

/// Dream's order: divide by the temperature, then top-p, then top-k; removed tokens get -inf.
fn filtered(l: Tensor, options: &Options) -> Result<Tensor, EngineError> {
    let mut l = if options.temperature > 0.0 { l.f_div_scalar(options.temperature)? } else { l };
    if let Some(p) = options.top_p.filter(|p| *p < 1.0) {
        let (sorted, order) = l.f_sort(-1, true)?;
        let before = sorted.f_softmax(-1, Kind::Float)?.f_cumsum(-1, Kind::Float)?;
        // The first token above p stays: a token goes if the sum before it already exceeds p.
        let over = before.f_gt(p)?.f_roll(1, -1)?;
        let _ = over.f_narrow(1, 0, 1)?.f_fill_(0)?;
        let removed = over.f_zeros_like()?.f_scatter(-1, &order, &over)?;
        l = l.f_masked_fill(&removed, f64::NEG_INFINITY)?;
    }
    if let Some(k) = options.top_k {
        let k = i64::try_from(k).unwrap_or(i64::MAX).min(l.size()[1]);
        let smallest = l.f_topk(k, -1, true, true)?.0.f_narrow(1, k - 1, 1)?;
        l = l.f_masked_fill(&l.f_less_tensor(&smallest)?, f64::NEG_INFINITY)?;
    }
    Ok(l)
}

/// The chosen token of each row, [n] int64. The mask token is left out here and only here.
fn choose(
    l: &Tensor,
    positions: &[usize],
    options: &Options,
    (Draw { step, mask, mask_rule }, tempered): (Draw, bool),
) -> Result<Tensor, EngineError> {
    let held = column(l, mask)?.f_alias_copy()?;
    if mask_rule == MaskRule::Suppress {
        fill_column(l, mask, f64::NEG_INFINITY)?;
    }
    let chosen = if options.temperature > 0.0 {
        // Tempered logits are already divided by the temperature.
        let scale = if tempered { 1.0 } else { options.temperature };
        sample(l, positions, scale, Rng::at(options.seed, Stream::Gumbel, step.clock, step.sample))?
    } else {
        l.f_argmax(-1, false)?
    };
    column(l, mask)?.f_copy_(&held)?;
    Ok(chosen)
}

/// Gumbel-max on the host, a few rows per thread; the noise of a row depends on its position alone.
fn sample(l: &Tensor, positions: &[usize], temperature: f64, rng: Rng) -> Result<Tensor, EngineError> {
    let vocab = l.size()[1] as usize;
    let mut host = vec![0f32; l.numel()];
    l.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut host, l.numel())?;
    let threads = (tch::get_num_threads().max(1) as usize).min(positions.len());
    let mut chosen = vec![0i64; positions.len()];
    let share = positions.len().div_ceil(threads);
    std::thread::scope(|scope| {
        for ((out, at), rows) in chosen.chunks_mut(share).zip(positions.chunks(share)).zip(host.chunks(share * vocab)) {
            let rng = &rng;
            scope.spawn(move || {
                let mut scratch = Scratch::default();
                for ((slot, &position), row) in out.iter_mut().zip(at).zip(rows.chunks_exact(vocab)) {
                    *slot = noisy_argmax(row, temperature, rng.lane(position as u64), &mut scratch) as i64;
                }
            });
        }
    });
    Ok(Tensor::f_from_slice(&chosen)?.f_to_device(l.device())?)
}

/// [3 n]: the odds against the chosen token, its log-probability (for odds beyond f32), and the policy's statistic.
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
    Ok(Tensor::f_cat(&[odds, fallback, extra], 0)?)
}
