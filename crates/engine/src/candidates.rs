//! From logits to candidates: for each masked position, the chosen token and how sure the model is of it.

use crate::device_noise::noisy_argmax_of;
use crate::noise::{Scratch, noisy_argmax};
use crate::options::{EndRule, MaskRule};
use crate::{EngineError, Options, Statistic, Step};
use mosa_core::{Rng, Stream, TokenId};
use tch::{Device, Kind, TchError, Tensor};

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

/// When candidates are drawn, and how.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    pub step: Step,
    pub mask: TokenId,
    pub mask_rule: MaskRule,
    /// Whether tokens are drawn from, and confidences read from, the tempered and filtered distribution.
    pub tempered: bool,
}

/// The positions of one row, and their logits [positions, vocabulary] in any floating type. There is at least one.
pub(crate) struct Asked<'a> {
    pub logits: Tensor,
    pub positions: &'a [usize],
    pub options: &'a Options,
    pub draw: Draw,
}

/// Why a row has no candidates.
#[derive(Debug)]
pub(crate) enum CandidateError {
    /// Logits that are not numbers, first at this canvas position.
    NotANumber { position: usize },
    /// libtorch failed.
    Engine(EngineError),
}

impl From<EngineError> for CandidateError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<TchError> for CandidateError {
    fn from(error: TchError) -> Self {
        Self::Engine(error.into())
    }
}

type RowCandidates = Result<Vec<Candidate>, CandidateError>;

/// The candidates of the rows of a pass.
///
/// On the CPU every row is computed by itself, in place, so that it has the bits it has alone. Elsewhere rows that ask for the
/// same are one matrix, computed in parts of bounded size, and what all rows need comes to the host in two copies.
pub(crate) fn candidates(rows: Vec<Asked<'_>>) -> Vec<RowCandidates> {
    let host = rows.first().is_none_or(|row| row.logits.device() == Device::Cpu);
    if host { rows.iter().map(in_place).collect() } else { together(&rows) }
}

/// One row, written into its logits.
fn in_place(row: &Asked<'_>) -> RowCandidates {
    let recipe = Recipe::of(row);
    let found = recipe.compute(row.logits.f_to_kind(Kind::Float)?, &draws(row))?;
    let host = Host::copy(&[found])?;
    row_candidates(row, &recipe, &host, 0)
}

/// All rows; if that fails, each is tried by itself, so that none fails for another.
fn together(rows: &[Asked<'_>]) -> Vec<RowCandidates> {
    match grouped(rows) {
        Ok(found) => found,
        Err(error) if rows.len() == 1 => vec![Err(error.into())],
        Err(_) => rows.iter().flat_map(|row| together(std::slice::from_ref(row))).collect(),
    }
}

fn grouped(rows: &[Asked<'_>]) -> Result<Vec<RowCandidates>, EngineError> {
    let mut groups: Vec<(Recipe, Vec<usize>)> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let recipe = Recipe::of(row);
        match groups.iter_mut().find(|(known, _)| *known == recipe) {
            Some((_, members)) => members.push(i),
            None => groups.push((recipe, vec![i])),
        }
    }
    let mut found = Vec::new();
    for (recipe, members) in &groups {
        let members: Vec<&Asked<'_>> = members.iter().map(|&i| &rows[i]).collect();
        found.extend(in_parts(&members, recipe, recipe.most_positions(members[0].logits.size()[1]))?);
    }
    let host = Host::copy(&found)?;
    let mut out: Vec<Option<RowCandidates>> = rows.iter().map(|_| None).collect();
    let mut at = 0;
    for (recipe, members) in &groups {
        for &i in members {
            out[i] = Some(row_candidates(&rows[i], recipe, &host, at));
            at += rows[i].positions.len();
        }
    }
    Ok(out.into_iter().flatten().collect())
}

/// Rows with one recipe, at most `most` positions at a time; fewer where memory does not hold them. Their logits stay as they
/// are.
fn in_parts(rows: &[&Asked<'_>], recipe: &Recipe, most: usize) -> Result<Vec<Found>, EngineError> {
    let parts = parts(&rows.iter().map(|row| row.positions.len()).collect::<Vec<_>>(), most);
    let draws: Vec<Vec<Rng>> = rows.iter().map(|row| draws(row)).collect();
    let compute = |part: &Vec<Piece>| {
        let narrow = |p: &Piece| rows[p.row].logits.f_narrow(0, p.from as i64, p.len as i64);
        let views = part.iter().map(narrow).collect::<Result<Vec<_>, _>>()?;
        let matrix = Tensor::f_cat(&views, 0)?.f_to_kind(Kind::Float)?;
        let own: Vec<Rng> = part.iter().flat_map(|p| draws[p.row].iter().skip(p.from).take(p.len).cloned()).collect();
        recipe.compute(matrix, &own)
    };
    match parts.iter().map(compute).collect() {
        Err(error) if EngineError::is_out_of_memory(&error) && most > 1 => in_parts(rows, recipe, most.div_ceil(2)),
        result => result,
    }
}

/// Some positions of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    row: usize,
    from: usize,
    len: usize,
}

/// Rows of these many positions, in parts of up to `most` positions.
fn parts(lengths: &[usize], most: usize) -> Vec<Vec<Piece>> {
    let (most, mut parts, mut room) = (most.max(1), Vec::<Vec<Piece>>::new(), 0);
    for (row, &length) in lengths.iter().enumerate() {
        let mut from = 0;
        while from < length {
            if room == 0 {
                parts.push(Vec::new());
                room = most;
            }
            let len = room.min(length - from);
            if let Some(part) = parts.last_mut() {
                part.push(Piece { row, from, len });
            }
            (from, room) = (from + len, room - len);
        }
    }
    parts
}

/// The generator of each position's noise; of none where nothing is drawn.
fn draws(row: &Asked<'_>) -> Vec<Rng> {
    if row.options.temperature == 0.0 {
        return Vec::new();
    }
    let Step { clock, sample, .. } = row.draw.step;
    let rng = Rng::at(row.options.seed, Stream::Gumbel, clock, sample);
    row.positions.iter().map(|&position| rng.lane(position as u64)).collect()
}

/// What was computed of n positions.
struct Found {
    /// [n] chosen tokens, int64: f32 has no odd ids above 2^24.
    tokens: Tensor,
    /// [3, n], f32: odds against the token, its log-probability for odds beyond f32, and the policy's statistic.
    sureness: Tensor,
}

/// The same on the host.
struct Host {
    tokens: Vec<i64>,
    sureness: Vec<f32>,
}

impl Host {
    fn copy(found: &[Found]) -> Result<Self, EngineError> {
        let joined = |all: Vec<&Tensor>, dim| match all.as_slice() {
            [one] => Ok(one.shallow_clone()),
            all => Tensor::f_cat(all, dim),
        };
        let tokens = joined(found.iter().map(|f| &f.tokens).collect(), 0)?;
        let sureness = joined(found.iter().map(|f| &f.sureness).collect(), 1)?.f_reshape([-1])?;
        Ok(Self {
            tokens: Vec::<i64>::try_from(tokens.f_to_device(Device::Cpu)?)?,
            sureness: Vec::<f32>::try_from(sureness.f_to_device(Device::Cpu)?)?,
        })
    }
}

/// The candidates of a row whose positions begin at `start` of what was copied.
fn row_candidates(row: &Asked<'_>, recipe: &Recipe, host: &Host, start: usize) -> RowCandidates {
    let all = host.tokens.len();
    let one = |(i, &position): (usize, &usize)| {
        let at = start + i;
        let token = host.tokens[at] as TokenId;
        let [odds, fallback, statistic] = [0, 1, 2].map(|part| f64::from(host.sureness[part * all + at]));
        let log_probability = match (recipe.last.contains(&token), odds.is_finite()) {
            (true, _) => f64::NEG_INFINITY,
            (false, true) => -odds.ln_1p(),
            (false, false) => fallback,
        };
        if log_probability.is_nan() || statistic.is_nan() {
            return Err(CandidateError::NotANumber { position });
        }
        Ok(Candidate { position, token, log_probability, statistic })
    };
    row.positions.iter().enumerate().map(one).collect()
}

/// What decides how candidates are computed, but for the noise. Rows with the same can be one matrix.
#[derive(PartialEq)]
struct Recipe {
    /// End tokens that are never chosen.
    never: Vec<TokenId>,
    /// End tokens that get probability 0 in the confidences.
    last: Vec<TokenId>,
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
    fn of(row: &Asked<'_>) -> Self {
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
    fn most_positions(&self, vocab: i64) -> usize {
        let bytes = match (self.temperature > 0.0, self.top_p.is_some()) {
            (false, false) => 16,
            _ => 96,
        };
        (PART_BYTES / (bytes * usize::try_from(vocab).unwrap_or(1).max(1))).max(1)
    }

    /// Tokens and how sure the model is of them, from logits [n, vocabulary] in f32, which are overwritten.
    fn compute(&self, mut l: Tensor, draws: &[Rng]) -> Result<Found, EngineError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheMode, Commit, Ends, Schedule};

    const VOCAB: i64 = 50;

    fn ends() -> Ends {
        Ends { eos: 7, eot: Some(8) }
    }

    /// Rows that differ in everything that decides how candidates are computed; the first two differ in their noise alone.
    fn variety() -> Vec<Options> {
        let base = Options::llada(ends());
        vec![
            Options { temperature: 0.8, ..base.clone() },
            Options { temperature: 0.8, seed: 5, cache: CacheMode::Dual, ..base.clone() },
            base.clone(),
            Options { schedule: Schedule::Blocks { steps: 3, block_length: 3 }, ..base.clone() },
            Options { end_rule: EndRule::EndsLast, ..base.clone() },
            Options { end_rule: EndRule::Both, temperature: 0.4, ..base.clone() },
            Options { mask_rule: MaskRule::Allow, ..base },
            Options { commit: Commit::Margin, ..Options::dream(ends()) },
            Options { commit: Commit::Entropy, temperature: 0.6, top_p: Some(0.9), ..Options::dream(ends()) },
            Options { temperature: 0.6, top_k: Some(4), ..Options::dream(ends()) },
        ]
    }

    fn logits(row: usize, positions: usize) -> Tensor {
        let value = |i: usize| ((i * 7919 + row * 104_729) % 1000) as f32 / 100.0;
        let flat: Vec<f32> = (0..positions * VOCAB as usize).map(value).collect();
        Tensor::from_slice(&flat).view([positions as i64, VOCAB])
    }

    fn asked<'a>(row: usize, options: &'a Options, positions: &'a [usize]) -> Asked<'a> {
        let step = Step { block: 0, step: 2, clock: 2, sample: row as u64 };
        let tempered = options.schedule.plan().tempers();
        let draw = Draw { step, mask: 3, mask_rule: options.mask_rule, tempered };
        Asked { logits: logits(row, positions.len()), positions, options, draw }
    }

    fn close(a: &[Candidate], b: &[Candidate]) -> bool {
        let near = |x: f64, y: f64| x == y || (x - y).abs() < 1e-4 * (1.0 + x.abs());
        let same = |(a, b): (&Candidate, &Candidate)| {
            (a.position, a.token) == (b.position, b.token)
                && near(a.log_probability, b.log_probability)
                && near(a.statistic, b.statistic)
        };
        a.len() == b.len() && a.iter().zip(b).all(same)
    }

    #[test]
    fn rows_of_one_matrix_have_the_candidates_they_have_alone() {
        let options = variety();
        let positions: Vec<Vec<usize>> = (0..options.len()).map(|i| (i..2 * i + 3).collect()).collect();
        let rows = || (0..options.len()).map(|i| asked(i, &options[i], &positions[i])).collect::<Vec<_>>();
        let all = together(&rows());
        assert_eq!(all.len(), options.len());
        for (i, (joined, alone)) in all.into_iter().zip(rows().iter().map(in_place)).enumerate() {
            assert!(close(&joined.unwrap(), &alone.unwrap()), "{:?}", options[i]);
        }
    }

    #[test]
    fn the_size_of_the_parts_changes_nothing_and_leaves_the_logits_alone() {
        for options in variety() {
            let positions: Vec<usize> = (10..17).collect();
            let rows = [asked(0, &options, &positions[..4]), asked(1, &options, &positions)];
            let members: Vec<&Asked<'_>> = rows.iter().collect();
            let recipe = Recipe::of(&rows[0]);
            let tokens = |most| {
                let found = in_parts(&members, &recipe, most).unwrap();
                Host::copy(&found).unwrap().tokens
            };
            let whole = tokens(usize::MAX);
            for most in [1, 2, 3, 5, 11] {
                assert_eq!(tokens(most), whole, "{most} {options:?}");
            }
            assert!(rows[1].logits.equal(&logits(1, positions.len())));
        }
    }

    #[test]
    fn parts_cover_every_position_once_and_hold_no_more_than_they_may() {
        for most in 1..9 {
            let lengths = [3, 1, 7];
            let parts = parts(&lengths, most);
            assert!(parts.iter().all(|part| part.iter().map(|p| p.len).sum::<usize>() <= most));
            let flat: Vec<(usize, usize)> =
                parts.iter().flatten().flat_map(|p| (p.from..p.from + p.len).map(|i| (p.row, i))).collect();
            let want: Vec<(usize, usize)> =
                lengths.iter().enumerate().flat_map(|(row, &n)| (0..n).map(move |i| (row, i))).collect();
            assert_eq!(flat, want);
        }
    }

    #[test]
    fn a_row_whose_logits_are_no_numbers_is_named_and_the_others_go_on() {
        let options = Options::llada(ends());
        let positions = [4, 5];
        let rows = [asked(0, &options, &positions), asked(1, &options, &positions), asked(2, &options, &positions)];
        let _ = rows[1].logits.get(1).fill_(f64::NAN);
        let all = together(&rows);
        assert!(all[0].is_ok() && all[2].is_ok());
        assert!(matches!(all[1], Err(CandidateError::NotANumber { position: 5 })), "{:?}", all[1]);
    }
}
