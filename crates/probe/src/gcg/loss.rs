//! The loss of a target under a suffix, for many suffixes at a time.

use super::avoid::{Avoid, masked};
use super::goal::Goal;
use super::likelihood::TargetLikelihood;
use crate::ProbeError;
use mosa_core::{TokenId, sample_key};
use mosa_engine::{Estimator, Options, View, picked};
use mosa_model::{Adapted, Adapter, Attention, Call, Row as ModelRow, Slot, WhiteBoxModel};
use tch::{Device, Kind, Tensor};

/// Logits of a chunk take at most about this many bytes in f32.
const CHUNK_BYTES: usize = 64 << 20;

/// A model, with or without an adapter.
pub type Subject<'a> = Adapted<'a, dyn WhiteBoxModel + 'a>;

/// Mean cross-entropy of a goal's target, as a function of the suffix; perhaps with what a monitor adds ([`Avoid`]).
///
/// ```text
/// loss(suffix) = 1/|views| sum over views of 1/|scored| sum over scored j of -ln p(target_j | suffix, view)
/// ```
///
/// Only scored positions get logits, and the last block of the model computes only them.
pub struct TargetLoss<'a> {
    pub(super) model: &'a dyn WhiteBoxModel,
    pub(super) adapter: Option<&'a Adapter>,
    pub(super) goal: &'a Goal,
    pub(super) views: Vec<View>,
    pub(super) rows_per_pass: usize,
    /// Whom the tokens of a canvas see; none: as the model was trained.
    attention: Option<Attention>,
    /// A monitor whose suspicion is a term of the loss.
    pub(super) avoid: Option<Avoid>,
}

/// One canvas of a pass and what is scored on it.
pub(super) struct Row<'a> {
    /// Number of its suffix.
    pub suffix: usize,
    pub canvas: Vec<TokenId>,
    pub view: &'a View,
}

impl<'a> TargetLoss<'a> {
    /// The loss of `goal`; `seed` is that of Monte Carlo draws. At most `rows_per_pass` canvases share a pass, which
    /// changes losses by rounding only.
    ///
    /// # Errors
    /// [`ProbeError`] if the goal does not fit the model or a setting cannot be used.
    pub fn new(
        subject: Subject<'a>,
        goal: &'a Goal,
        likelihood: TargetLikelihood,
        seed: u64,
        rows_per_pass: usize,
    ) -> Result<Self, ProbeError> {
        goal.check(subject.model.spec())?;
        if rows_per_pass == 0 {
            return Err(ProbeError::Setting { key: "rows_per_pass", what: "must be positive".into() });
        }
        let views = likelihood.estimator(seed, sample_key(&goal.id))?.views(goal.target.len())?;
        let (model, adapter) = (subject.model, subject.adapter);
        Ok(Self { model, adapter, goal, views, rows_per_pass, attention: None, avoid: None })
    }

    /// The same loss on canvases as a decode with `options` begins with: its blocks, of which the last is whole.
    pub fn decoded_by(self, options: &Options) -> Self {
        Self { attention: options.schedule.plan().attention(), ..self }
    }

    /// The same loss with what a monitor of the first pass adds.
    pub fn avoiding(self, avoid: Option<Avoid>) -> Self {
        Self { avoid, ..self }
    }

    /// The loss of every suffix, in nats per token.
    ///
    /// # Errors
    /// [`ProbeError::Goal`] if a suffix has another length than the goal's; [`ProbeError::Model`] if the model fails.
    pub fn losses(&self, suffixes: &[Vec<TokenId>]) -> Result<Vec<f64>, ProbeError> {
        let _no_grad = tch::no_grad_guard();
        let mut losses = vec![0.0; suffixes.len()];
        let mut score = |rows: &[Row<'_>]| -> Result<(), ProbeError> {
            let mut log_p = self.log_probabilities(rows)?.into_iter();
            for row in rows {
                let sum: f64 = log_p.by_ref().take(row.view.scored.len()).sum();
                losses[row.suffix] -= sum / (row.view.scored.len() * self.views.len()) as f64;
            }
            Ok(())
        };
        // No more canvases at a time than a pass takes: there may be many suffixes with many views each.
        let mut pass = Vec::new();
        for row in self.rows(suffixes, &self.views)? {
            pass.push(row);
            if pass.len() == self.rows_per_pass {
                score(&pass)?;
                pass.clear();
            }
        }
        if !pass.is_empty() {
            score(&pass)?;
        }
        if let Some(avoid) = &self.avoid {
            let tolls = self.suspicions(avoid, suffixes)?.into_iter().map(|s| avoid.toll.of(s));
            losses.iter_mut().zip(tolls).for_each(|(loss, toll)| *loss += toll);
        }
        Ok(losses)
    }

    /// What the monitor thinks of the first pass of every suffix, all of the response masked.
    fn suspicions(&self, avoid: &Avoid, suffixes: &[Vec<TokenId>]) -> Result<Vec<f64>, ProbeError> {
        let (masked, count) = (masked(), avoid.positions.len() as i64);
        let rows: Vec<Row<'_>> = self.rows(suffixes, &masked)?.collect();
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.rows_per_pass) {
            let want = avoid.want(rows.len());
            let hidden = self.model.hidden(self.call(rows, &want))?;
            for row in 0..rows.len() as i64 {
                let mut read = Vec::new();
                for part in hidden.f_narrow(0, row * count, count)?.f_split(self.chunk(), 0)? {
                    let values = avoid.monitor.read(&self.model.score(&part, self.adapter)?)?;
                    read.extend(Vec::<f32>::try_from(values.f_to_device(Device::Cpu)?)?.into_iter().map(f64::from));
                }
                all.push(read.iter().sum::<f64>() / count as f64);
            }
        }
        Ok(all)
    }

    /// p of every target token while the whole target is masked.
    ///
    /// # Errors
    /// As [`TargetLoss::losses`].
    pub fn probabilities(&self, suffix: &[TokenId]) -> Result<Vec<f64>, ProbeError> {
        let _no_grad = tch::no_grad_guard();
        let masked = Estimator::MeanField.views(self.goal.target.len())?;
        let suffixes = [suffix.to_vec()];
        let rows: Vec<Row<'_>> = self.rows(&suffixes, &masked)?.collect();
        Ok(self.log_probabilities(&rows)?.into_iter().map(f64::exp).collect())
    }

    /// All views of all suffixes, one after the other.
    pub(super) fn rows<'v>(
        &'v self,
        suffixes: &'v [Vec<TokenId>],
        views: &'v [View],
    ) -> Result<impl Iterator<Item = Row<'v>>, ProbeError> {
        let (len, mask) = (self.goal.suffix.len(), self.model.spec().mask);
        if let Some(bad) = suffixes.iter().find(|s| s.len() != len) {
            return Err(self.goal.wrong(format!("a suffix of {} tokens instead of {len}", bad.len())));
        }
        let row = move |(i, view): (usize, &'v View)| {
            let mut canvas = self.goal.canvas(&suffixes[i], &view.revealed, mask);
            if let Some(Attention::BlockCausal { block }) = self.attention {
                canvas.resize(canvas.len().next_multiple_of(block.max(1)), mask);
            }
            Row { suffix: i, canvas, view }
        };
        Ok((0..suffixes.len()).flat_map(move |i| views.iter().map(move |view| (i, view))).map(row))
    }

    /// A pass over `rows`.
    pub(super) fn call<'r>(&'r self, rows: &'r [Row<'_>], want: &'r [Slot]) -> Call<'r> {
        let row = |row: &'r Row<'_>| ModelRow { attention: self.attention, ..ModelRow::new(&row.canvas) };
        Call::of(rows.iter().map(row).collect(), want).with_adapter(self.adapter)
    }

    /// The scored positions of `rows`, in order.
    pub(super) fn want(&self, rows: &[Row<'_>]) -> Vec<Slot> {
        let of = |(r, row): (usize, &Row<'_>)| {
            row.view.scored.iter().map(move |&j| (r, self.goal.position(j))).collect::<Vec<Slot>>()
        };
        rows.iter().enumerate().flat_map(of).collect()
    }

    /// Target ids of the scored positions, in order: [n].
    pub(super) fn targets(&self, rows: &[Row<'_>]) -> Result<Tensor, ProbeError> {
        let scored = rows.iter().flat_map(|row| &row.view.scored);
        let ids: Vec<i64> = scored.map(|&j| i64::from(self.goal.target[j])).collect();
        Ok(Tensor::f_from_slice(&ids)?.f_to_device(self.model.embedding_table().device())?)
    }

    /// Positions whose logits are held at a time.
    pub(super) fn chunk(&self) -> i64 {
        (CHUNK_BYTES / 4 / self.model.spec().vocab).max(16) as i64
    }

    /// ln p of the targets of hidden states [n, width] by an f32 log-softmax: [n].
    pub(super) fn score(&self, hidden: &Tensor, targets: &Tensor) -> Result<Tensor, ProbeError> {
        let logits = self.model.score(hidden, self.adapter)?;
        let log_p = logits.f_log_softmax(-1, Kind::Float)?;
        Ok(picked(&log_p, targets)?)
    }

    /// ln p of the scored targets of `rows` in one pass, flat.
    fn log_probabilities(&self, rows: &[Row<'_>]) -> Result<Vec<f64>, ProbeError> {
        let want = self.want(rows);
        let hidden = self.model.hidden(self.call(rows, &want))?;
        let parts = hidden.f_split(self.chunk(), 0)?.into_iter().zip(self.targets(rows)?.f_split(self.chunk(), 0)?);
        let scored = parts.map(|(h, t)| self.score(&h, &t)).collect::<Result<Vec<_>, _>>()?;
        let flat = Vec::<f32>::try_from(Tensor::f_cat(&scored, 0)?.f_to_device(Device::Cpu)?)?;
        Ok(flat.into_iter().map(f64::from).collect())
    }
}
