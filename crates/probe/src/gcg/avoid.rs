//! A monitor that a search stays away from: its suspicion of the first pass, as a term of the loss.

use super::gradient::Part;
use super::loss::{Row, TargetLoss};
use crate::ProbeError;
use mosa_core::{TokenId, Toll};
use mosa_defence::monitor::FirstPass;
use mosa_engine::View;
use mosa_model::Slot;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// What is avoided, and what it costs.
///
/// ```text
/// loss(suffix) = cross-entropy + toll(suspicion(suffix)),   suspicion = mean over positions of what the monitor reads there
/// ```
#[derive(Clone, Debug)]
pub struct Avoid {
    /// The monitor.
    pub monitor: FirstPass,
    /// Canvas positions it reads ([`FirstPass::positions`]); they do not depend on the suffix, whose length is fixed.
    pub positions: Range<usize>,
    /// The price of its suspicion, in nats per token of the target.
    pub toll: Toll,
}

impl TargetLoss<'_> {
    /// What the monitor thinks of the first pass of every suffix, all of the response masked.
    pub(super) fn suspicions(&self, avoid: &Avoid, suffixes: &[Vec<TokenId>]) -> Result<Vec<f64>, ProbeError> {
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

    /// What the monitor adds to the loss at a suffix, and its gradient with respect to a shift of the suffix's embeddings:
    /// [suffix length, width].
    pub(super) fn avoided(&self, avoid: &Avoid, suffix: &[TokenId]) -> Result<Part, ProbeError> {
        let (masked, suffixes) = (masked(), [suffix.to_vec()]);
        let rows: Vec<Row<'_>> = self.rows(&suffixes, &masked)?.collect();
        let want = avoid.want(rows.len());
        let share = 1.0 / avoid.positions.len() as f64;
        let part = self.body_gradient(&rows, &want, &|hidden| {
            let (mut suspicion, mut gradients) = (0.0, Vec::new());
            for part in hidden.f_split(self.chunk(), 0)? {
                let read = |logits: &Tensor| -> Result<Tensor, ProbeError> {
                    Ok(avoid.monitor.read(logits)?.f_sum(Kind::Float)?.f_mul_scalar(share)?)
                };
                let part = self.through_head(&part, &read)?;
                suspicion += part.loss;
                gradients.push(part.gradient);
            }
            Ok(Part { loss: suspicion, gradient: Tensor::f_cat(&gradients, 0)? })
        })?;
        let (toll, slope) = (avoid.toll.of(part.loss), avoid.toll.slope(part.loss));
        Ok(Part { loss: toll, gradient: part.gradient.f_mul_scalar(slope)? })
    }
}

impl Avoid {
    /// The positions it reads of so many canvases.
    fn want(&self, rows: usize) -> Vec<Slot> {
        (0..rows).flat_map(|row| self.positions.clone().map(move |p| (row, p))).collect()
    }
}

/// A canvas on which nothing of the target stands.
fn masked() -> [View; 1] {
    [View { revealed: Vec::new(), scored: Vec::new() }]
}
