//! Loss and gradient of a batch of examples without ever holding the logits of all its rows.
//!
//! The body of the model runs once with the adapter (its activations are kept for the backward pass) and once without.
//! Then the rows are scored in chunks: with z the logits of a row, p = softmax z, L = ln p and Lr the reference,
//!
//! ```text
//! term w L[v]                    d/dz = w (e_v - p)
//! term b KL(p || r)              d/dz = b p (L - Lr - KL)
//! term b KL(r || p)              d/dz = b (p - r)
//! ```
//!
//! The w of a preference between two answers follow from the log-likelihoods of both ([`crate::Pair`]), so where an example has
//! one, the log-probabilities of its tokens are read off all chunks first, and then each chunk is scored once more.
//!
//! d loss / d logits is formed by hand, handed back through the head, and dropped with its chunk. What is left, d loss / d hidden,
//! goes backward through the body.

use crate::example::{Example, Part, Place};
use crate::options::KlDirection;
use crate::preference::{Likelihoods, Pair as Answers, pairs};
use crate::reward::{Columns, RewardTerms};
use crate::sheet::Sheets;
use crate::{AlignError, Linear};
use mosa_core::TokenId;
use mosa_model::{Adapter, Attention, Call, Slot, TrainableModel};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Logits of a chunk take at most about this many bytes in f32.
const CHUNK_BYTES: usize = 64 << 20;

/// What an example contributed; values without its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Number of the record.
    pub record: usize,
    /// Which data it is from.
    pub part: Part,
    /// Its loss.
    pub loss: f64,
    /// Its reward, if it has one.
    pub reward: Option<RewardTerms>,
    /// The reference's reward for the same sentences, where the KL is computed as well.
    pub reward_reference: Option<f64>,
    /// KL summed over its positions, unweighted.
    pub kl: f64,
    /// The part of it inside the windows.
    pub kl_inside: f64,
    /// KL of every position, by offset.
    pub kl_by_offset: Vec<(usize, f64)>,
    /// Whether single log-probabilities were asked for.
    pub has_linear: bool,
    /// Its part of a pair of answers.
    pub preference: Option<Look>,
}

/// What an example contributed to the log-likelihood of an answer of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Number of the pair.
    pub pair: usize,
    /// Whether the answer is the one that is wanted.
    pub chosen: bool,
    /// The part of its log-likelihood.
    pub part: Likelihoods,
}

/// A model, and the adapter that makes the policy of it. Without one the policy is the model itself and there is no
/// reference.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    /// The model.
    pub model: &'a dyn TrainableModel,
    /// The adapter.
    pub adapter: Option<&'a Adapter>,
    /// Recompute activations block by block in the backward pass instead of keeping them.
    pub recompute: bool,
    /// Whom a token of a canvas sees; none: as the model was trained.
    pub attention: Option<Attention>,
}

/// The same of both models, row by row.
struct Pair<P, R = P> {
    policy: P,
    /// Where a KL is asked for.
    reference: Option<R>,
}

/// What the loss asks of a pass.
struct Asked<'e> {
    examples: &'e [Example],
    /// The pairs of answers by number.
    pairs: BTreeMap<usize, Answers>,
}

/// A scored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scored {
    /// Number of its example.
    example: usize,
    /// Where on it.
    at: Place,
}

/// Rows that are scored together.
struct Chunk {
    rows: Vec<Scored>,
    /// The example whose reward these rows decide.
    decides: Option<usize>,
}

impl<'a> Policy<'a> {
    /// A policy that keeps its activations.
    pub fn new(model: &'a dyn TrainableModel, adapter: Option<&'a Adapter>) -> Self {
        Self { model, adapter, recompute: false, attention: None }
    }

    /// Adds d loss / d parameter to the gradient of every trainable tensor and returns the terms of each example, in
    /// order. `Ok(None)` if no trainable tensor takes part.
    ///
    /// # Errors
    /// [`AlignError`] if an example asks for a KL without a reference, or the model fails.
    pub fn backward(&self, examples: &[Example]) -> Result<Option<Vec<Terms>>, AlignError> {
        self.run(examples, true)
    }

    /// The terms alone.
    ///
    /// # Errors
    /// As [`Policy::backward`].
    pub fn evaluate(&self, examples: &[Example]) -> Result<Vec<Terms>, AlignError> {
        Ok(tch::no_grad(|| self.run(examples, false))?.unwrap_or_default())
    }

    fn run(&self, examples: &[Example], differentiate: bool) -> Result<Option<Vec<Terms>>, AlignError> {
        let chunks = chunks(examples, (CHUNK_BYTES / 4 / self.model.spec().vocab).max(16));
        let sheets = Sheets::new(examples, self.attention.unwrap_or(self.model.spec().attention))?;
        let slot = |r: &Scored| (sheets.row(r.example, r.at.sheet), examples[r.example].prompt + r.at.offset);
        let want: Vec<Slot> = chunks.iter().flat_map(|c| c.rows.iter().map(slot)).collect();
        let reference = self.reference(examples, &sheets, &want)?;
        let call = || Call::of(sheets.rows(), &want).with_adapter(self.adapter);
        let mut inputs = Vec::new();
        // Autograd must not keep weights that are widened for each product.
        let widens = self.model.widens();
        let recompute = self.recompute || widens;
        let policy = if differentiate && recompute {
            self.model.hidden_keeping_inputs(call(), &mut inputs)?
        } else {
            self.model.hidden(call())?
        };
        if differentiate && !recompute && !policy.requires_grad() {
            return Ok(None);
        }
        let rows = policy.detach(); // [n, width]
        let upstream = if differentiate { Some(rows.f_zeros_like()?) } else { None };
        let mut terms: Vec<Terms> = examples.iter().map(Terms::new).collect();
        let pairs = tch::no_grad(|| {
            self.answers(&chunks, examples, &Pair { policy: &rows, reference: reference.as_ref() }, &mut terms)
        })?;
        let asked = Asked { examples, pairs };
        let mut start = 0;
        for chunk in &chunks {
            let n = chunk.rows.len() as i64;
            let part = |t: &Tensor| t.f_narrow(0, start, n);
            let hidden = part(&rows)?.f_set_requires_grad(differentiate && !widens)?;
            let logits = self.model.score(&hidden, self.adapter)?;
            let reference = reference.as_ref().map(part).transpose()?;
            let gradient =
                tch::no_grad(|| self.chunk(chunk, &asked, &Pair { policy: &logits, reference }, &mut terms))?;
            if let Some(upstream) = &upstream {
                let through = if widens {
                    drop(logits);
                    self.model.score_back(&hidden, self.adapter, &gradient)?
                } else {
                    logits.f_mul(&gradient.f_to_kind(logits.kind())?)?.f_sum(logits.kind())?.f_backward()?;
                    hidden.f_grad()?
                };
                part(upstream)?.f_copy_(&through)?;
            }
            start += n;
        }
        match upstream {
            Some(upstream) if recompute => self.model.backward(call(), inputs, upstream)?,
            Some(upstream) => policy.f_mul(&upstream)?.f_sum(policy.kind())?.f_backward()?,
            None => {}
        }
        Ok(Some(terms))
    }

    /// Hidden states with the adapter off, if any term needs them.
    fn reference(
        &self,
        examples: &[Example],
        sheets: &Sheets<'_>,
        want: &[Slot],
    ) -> Result<Option<Tensor>, AlignError> {
        if examples.iter().all(|e| e.kl.is_empty() && e.preference.is_none()) {
            return Ok(None);
        }
        if self.adapter.is_none() {
            return Err(AlignError::Setting {
                key: "beta",
                what: "a KL or a preference needs an adapter to switch off".into(),
            });
        }
        Ok(Some(tch::no_grad(|| self.model.hidden(Call::of(sheets.rows(), want)))?))
    }

    /// The pairs of answers, from the hidden states of all rows; adds their losses to `terms`.
    fn answers(
        &self,
        chunks: &[Chunk],
        examples: &[Example],
        rows: &Pair<&Tensor>,
        terms: &mut [Terms],
    ) -> Result<BTreeMap<usize, Answers>, AlignError> {
        if examples.iter().all(|e| e.preference.is_none()) {
            return Ok(BTreeMap::new());
        }
        let mut parts = vec![Likelihoods::default(); examples.len()];
        let mut start = 0;
        for chunk in chunks {
            let n = chunk.rows.len() as i64;
            let wanted = preferred_terms(chunk, examples);
            let read = |hidden: &Tensor, adapter| -> Result<Vec<f64>, AlignError> {
                let logits = self.model.score(&hidden.f_narrow(0, start, n)?, adapter)?;
                let log_p = logits.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?;
                gather(&log_p, wanted.iter().map(|(_, row, l)| (*row, l.token)))
            };
            if let (Some(reference), false) = (rows.reference, wanted.is_empty()) {
                let read = read(rows.policy, self.adapter)?.into_iter().zip(read(reference, None)?);
                for ((e, _, l), (policy, reference)) in wanted.iter().zip(read) {
                    parts[*e].add(Likelihoods { policy: l.weight * policy, reference: l.weight * reference });
                }
            }
            start += n;
        }
        let pairs = pairs(examples, &parts)?;
        for ((terms, example), part) in terms.iter_mut().zip(examples).zip(parts) {
            if let Some(p) = &example.preference {
                terms.preference = Some(Look { pair: p.pair, chosen: p.chosen, part });
                terms.loss += pairs[&p.pair].loss_of_a_look();
            }
        }
        Ok(pairs)
    }

    /// d loss / d logits [n, vocabulary] in f32, from the policy's logits and the reference's hidden states; adds what the
    /// rows contribute to `terms`.
    fn chunk(
        &self,
        chunk: &Chunk,
        asked: &Asked<'_>,
        made: &Pair<&Tensor, Tensor>,
        terms: &mut [Terms],
    ) -> Result<Tensor, AlignError> {
        let Asked { examples, pairs } = asked;
        let policy = made.policy.detach().f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?;
        let needs_kl = chunk.rows.iter().any(|r| examples[r.example].kl_weight(r.at.offset) != 0.0);
        let reference = match &made.reference {
            Some(hidden) if needs_kl => {
                Some(self.model.score(hidden, None)?.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?)
            }
            _ => None,
        };
        let logs = Pair { policy, reference };
        let mut linear = linear_terms(chunk, examples, &logs, terms)?;
        for (e, row, l) in preferred_terms(chunk, examples) {
            if let Some(p) = &examples[e].preference {
                linear.push((row, l.times(pairs[&p.pair].slope(p.chosen))));
            }
        }
        row_gradient(chunk, examples, logs, &linear, terms)
    }
}

impl Terms {
    fn new(example: &Example) -> Self {
        Self {
            record: example.record,
            part: example.part,
            loss: 0.0,
            reward: None,
            reward_reference: None,
            kl: 0.0,
            kl_inside: 0.0,
            kl_by_offset: Vec::new(),
            has_linear: !example.linear.is_empty(),
            preference: None,
        }
    }
}

/// The rows of every reward in a chunk of their own, all others in chunks of `size`.
fn chunks(examples: &[Example], size: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut others = Vec::new();
    for (e, example) in examples.iter().enumerate() {
        let row = |at| Scored { example: e, at };
        let rows: Vec<_> = example.reward_places().into_iter().map(row).collect();
        if !rows.is_empty() {
            chunks.push(Chunk { rows, decides: Some(e) });
        }
        others.extend(example.other_places().into_iter().map(row));
    }
    chunks.extend(others.chunks(size).map(|rows| Chunk { rows: rows.to_vec(), decides: None }));
    chunks
}

/// All terms w L[row, token] of a chunk as (row, term), those of the reward among them.
fn linear_terms(
    chunk: &Chunk,
    examples: &[Example],
    logs: &Pair<Tensor>,
    terms: &mut [Terms],
) -> Result<Vec<(usize, Linear)>, AlignError> {
    let log_p = &logs.policy;
    let mut all = Vec::new();
    if let Some(e) = chunk.decides
        && let Some(reward) = &examples[e].reward
    {
        let read = Read::new(chunk, reward.tokens());
        let (value, weights) = reward.evaluate(read.of(log_p)?.each());
        terms[e].loss -= value.reward;
        terms[e].reward = Some(value);
        if let Some(log_r) = &logs.reference {
            terms[e].reward_reference = Some(reward.evaluate(read.of(log_r)?.each()).0.reward);
        }
        all.extend(weights.into_iter().map(|(sentence, l)| (read.row(sentence, l.offset), l)));
    }
    let fixed = placed(chunk, examples, |e| e.linear.as_slice());
    let values = gather(log_p, fixed.iter().map(|(_, row, l)| (*row, l.token)))?;
    for ((e, row, l), value) in fixed.into_iter().zip(values) {
        terms[e].loss += l.weight * value;
        all.push((row, l));
    }
    Ok(all)
}

/// The terms of the log-likelihoods of pairs that stand in a chunk, as (example, row, term).
fn preferred_terms(chunk: &Chunk, examples: &[Example]) -> Vec<(usize, usize, Linear)> {
    placed(chunk, examples, |e| e.preference.as_ref().map_or(&[], |p| p.terms.as_slice()))
}

/// Those of the terms of examples that stand in a chunk, as (example, row, term); on several sheets each has its share.
fn placed<'e>(
    chunk: &Chunk,
    examples: &'e [Example],
    terms: impl Fn(&'e Example) -> &'e [Linear],
) -> Vec<(usize, usize, Linear)> {
    let at: BTreeMap<Scored, usize> = chunk.rows.iter().enumerate().map(|(row, &key)| (key, row)).collect();
    let mut all = Vec::new();
    for e in distinct(chunk) {
        let share = examples[e].sheet_share();
        for sheet in 0..examples[e].sheets() {
            let row = |l: &Linear| at.get(&Scored { example: e, at: Place { sheet, offset: l.offset } });
            all.extend(terms(&examples[e]).iter().filter_map(|l| Some((e, *row(l)?, l.times(share)))));
        }
    }
    all
}

fn distinct(chunk: &Chunk) -> Vec<usize> {
    let mut all: Vec<usize> = chunk.rows.iter().map(|r| r.example).collect();
    all.dedup();
    all
}

/// Where the rows of a chunk hold the two sentences of a reward.
struct Read {
    tokens: Vec<TokenId>,
    /// The offsets of the rows of the first sheet, then those of the last, if it is another.
    offsets: [Vec<usize>; 2],
}

/// What is read there: for the safe sentence, and for the harmful one, if it stands on another sheet.
struct Tables(Columns, Option<Columns>);

impl Tables {
    fn each(&self) -> [&Columns; 2] {
        [&self.0, self.1.as_ref().unwrap_or(&self.0)]
    }
}

impl Read {
    fn new(chunk: &Chunk, tokens: Vec<TokenId>) -> Self {
        let of = |first: bool| chunk.rows.iter().filter(|r| (r.at.sheet == 0) == first).map(|r| r.at.offset).collect();
        Self { tokens, offsets: [of(true), of(false)] }
    }

    fn of(&self, log_p: &Tensor) -> Result<Tables, AlignError> {
        let ids: Vec<i64> = self.tokens.iter().map(|&t| i64::from(t)).collect();
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(log_p.device())?;
        let picked = log_p.f_index_select(1, &ids)?.f_flatten(0, -1)?.f_to_device(tch::Device::Cpu)?;
        let (width, [safe, harmful]) = (self.tokens.len(), &self.offsets);
        let mut values = Vec::<f32>::try_from(picked)?;
        let rest = values.split_off(safe.len() * width);
        let table = |offsets: &[usize], values| Columns { offsets: offsets.to_vec(), width, values };
        Ok(Tables(table(safe, values), (!harmful.is_empty()).then(|| table(harmful, rest))))
    }

    /// The row of the chunk in which a sentence, 0 or 1, has its token at `offset`.
    fn row(&self, sentence: usize, offset: usize) -> usize {
        let [safe, harmful] = &self.offsets;
        let (before, offsets) = if sentence == 0 || harmful.is_empty() { (0, safe) } else { (safe.len(), harmful) };
        before + offsets.binary_search(&offset).unwrap_or(0)
    }
}

/// The values at (row, column) of a [rows, columns] tensor.
fn gather(table: &Tensor, at: impl Iterator<Item = (usize, TokenId)>) -> Result<Vec<f64>, AlignError> {
    let flat = flat_indices(table, at)?;
    let values = table.f_flatten(0, -1)?.f_index_select(0, &flat)?.f_to_device(tch::Device::Cpu)?;
    Ok(Vec::<f32>::try_from(values)?.into_iter().map(f64::from).collect())
}

fn flat_indices(table: &Tensor, at: impl Iterator<Item = (usize, TokenId)>) -> Result<Tensor, AlignError> {
    let width = table.size()[1];
    let flat: Vec<i64> = at.map(|(row, token)| row as i64 * width + i64::from(token)).collect();
    Ok(Tensor::f_from_slice(&flat)?.f_to_device(table.device())?)
}

/// d loss / d logits of a chunk; both tables are consumed to save memory.
fn row_gradient(
    chunk: &Chunk,
    examples: &[Example],
    logs: Pair<Tensor>,
    linear: &[(usize, Linear)],
    terms: &mut [Terms],
) -> Result<Tensor, AlignError> {
    let Pair { policy: log_p, reference: log_r } = logs;
    let device = log_p.device();
    let column = |values: &[f64]| -> Result<Tensor, AlignError> {
        let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        Ok(Tensor::f_from_slice(&values)?.f_unsqueeze(1)?.f_to_device(device)?) // [n, 1]
    };
    let shares: Vec<f64> = chunk.rows.iter().map(|r| examples[r.example].share).collect();
    let mut sums = vec![0.0; chunk.rows.len()];
    for (row, l) in linear {
        sums[*row] += shares[*row] * l.weight;
    }
    let mut p = log_p.f_exp()?;
    let gradient = match log_r {
        None => p.f_mul_(&column(&sums)?.f_neg()?)?,
        Some(log_r) => {
            let weights: Vec<f64> =
                chunk.rows.iter().zip(&shares).map(|(r, s)| s * examples[r.example].kl_weight(r.at.offset)).collect();
            // A chunk mixes examples, but all examples of a run share one direction.
            let direction = examples[chunk.rows[0].example].direction;
            let Divergence { kl, gradient: mut g } = divergence(direction, &p, log_p, log_r)?;
            record(chunk, examples, &kl, terms)?;
            let _ = g.f_mul_(&column(&weights)?)?;
            let kl: Vec<f32> = Vec::try_from(&kl.f_to_device(tch::Device::Cpu)?)?;
            // p (b KL + a) for KL(p || r), p a otherwise; a is the row's sum of linear weights.
            let own = |row: usize| match direction {
                KlDirection::PolicyReference => weights[row] * f64::from(kl[row]),
                KlDirection::ReferencePolicy => 0.0,
            };
            let factors: Vec<f64> = sums.iter().enumerate().map(|(row, a)| a + own(row)).collect();
            g.f_addcmul_(&p, &column(&factors)?.f_neg()?)?
        }
    };
    if !linear.is_empty() {
        let flat = flat_indices(&gradient, linear.iter().map(|(row, l)| (*row, l.token)))?;
        let values: Vec<f32> = linear.iter().map(|(row, l)| (shares[*row] * l.weight) as f32).collect();
        let values = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        let _ = gradient.f_view([-1])?.f_index_add_(0, &flat, &values)?;
    }
    Ok(gradient.f_contiguous()?)
}

struct Divergence {
    /// Of each row [n].
    kl: Tensor,
    /// The part of its gradient [n, vocabulary] that is not a multiple of p: p (L - Lr), or p - r.
    gradient: Tensor,
}

/// The KL of rows with probabilities p.
fn divergence(direction: KlDirection, p: &Tensor, log_p: Tensor, mut log_r: Tensor) -> Result<Divergence, AlignError> {
    match direction {
        KlDirection::PolicyReference => {
            let mut difference = log_r.f_neg_()?.f_add_(&log_p)?;
            let weighted = difference.f_mul_(p)?;
            let kl = weighted.f_sum_dim_intlist(-1, false, Kind::Float)?;
            Ok(Divergence { kl, gradient: weighted })
        }
        KlDirection::ReferencePolicy => {
            let r = log_r.f_exp()?;
            let kl = log_r.f_sub_(&log_p)?.f_mul_(&r)?.f_sum_dim_intlist(-1, false, Kind::Float)?;
            Ok(Divergence { kl, gradient: p.f_sub(&r)? })
        }
    }
}

/// Adds the rows' KL to their examples.
fn record(chunk: &Chunk, examples: &[Example], kl: &Tensor, terms: &mut [Terms]) -> Result<(), AlignError> {
    let values: Vec<f32> = Vec::try_from(&kl.f_to_device(tch::Device::Cpu)?)?;
    for (&Scored { example: e, at: Place { offset, .. } }, value) in chunk.rows.iter().zip(values) {
        let weight = examples[e].kl_weight(offset);
        if weight != 0.0 {
            terms[e].loss += weight * f64::from(value);
            let value = f64::from(value) * examples[e].sheet_share();
            terms[e].kl += value;
            terms[e].kl_inside += if examples[e].in_window(offset) { value } else { 0.0 };
            match terms[e].kl_by_offset.iter_mut().find(|(at, _)| *at == offset) {
                Some((_, sum)) => *sum += value,
                None => terms[e].kl_by_offset.push((offset, value)),
            }
        }
    }
    Ok(())
}
