//! From logits to candidates: for each masked position, the chosen token and how sure the model is of it.

use crate::asked::Asked;
use crate::recipe::{Found, Recipe};
use crate::{EngineError, Step};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::waiting;
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
            tokens: waiting(tokens.device(), || Vec::<i64>::try_from(tokens.f_to_device(Device::Cpu)?))?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::Draw;
    use crate::options::MaskRule;
    use crate::{CacheMode, Commit, EndRule, Ends, Schedule};
    use crate::{Options, Step};

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
