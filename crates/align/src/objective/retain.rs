//! Harmless prompts on which the policy is kept at the reference.

use super::CanvasIds;
use crate::data::batch;
use crate::example::{Example, Part};
use crate::options::KlDirection;
use crate::{AlignConfig, AlignError, Record};
use mosa_core::{Rng, Stream};

/// weight * mean KL over the masked positions of retain canvases (summed over the positions of a canvas).
#[derive(Debug)]
pub(crate) struct Retained {
    records: Vec<Record>,
    weight: f64,
    partly: f64,
    batch_size: usize,
    canvas_length: usize,
    direction: KlDirection,
    seed: u64,
    ids: CanvasIds,
}

impl Retained {
    /// `None` if there is no retain data.
    pub(crate) fn new(config: &AlignConfig, ids: CanvasIds, records: Vec<Record>) -> Result<Option<Self>, AlignError> {
        let settings = &config.retain;
        if records.is_empty() || settings.batch_size == 0 || settings.weight == 0.0 {
            return Ok(None);
        }
        if let Some(r) = records.iter().find(|r| settings.partly > 0.0 && r.response.is_empty()) {
            let what = format!("needs an answer for every retain prompt (`response`); prompt {} has none", r.id);
            return Err(AlignError::Setting { key: "retain.partly", what });
        }
        Ok(Some(Self {
            records,
            weight: settings.weight,
            partly: settings.partly,
            batch_size: settings.batch_size,
            canvas_length: config.canvas_length,
            direction: config.kl.direction,
            seed: config.seed,
            ids,
        }))
    }

    pub(crate) fn examples(&self, step: usize) -> Vec<Example> {
        let numbers = batch(self.seed, Stream::RetainOrder, step, self.batch_size, self.records.len());
        numbers.into_iter().enumerate().map(|(slot, record)| self.example(step, slot, record)).collect()
    }

    fn example(&self, step: usize, slot: usize, record: usize) -> Example {
        let source = &self.records[record];
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64).lane(1);
        let mut response = vec![self.ids.mask; self.canvas_length];
        if rng.unit() < self.partly {
            // The answer with its tail of eos, each token masked with probability t.
            let t = rng.unit();
            for (i, token) in response.iter_mut().enumerate() {
                if rng.unit() >= t {
                    *token = source.response.get(i).copied().unwrap_or(self.ids.eos);
                }
            }
        }
        let masked = (0..response.len()).filter(|&i| response[i] == self.ids.mask);
        Example {
            record,
            part: Part::Retained,
            kl: masked.map(|i| (i, self.weight)).collect(),
            prompt: source.prompt.len(),
            canvas: source.prompt.iter().copied().chain(response).collect(),
            share: 1.0 / self.batch_size as f64,
            linear: Vec::new(),
            direction: self.direction,
            reward: None,
            windows: Vec::new(),
        }
    }
}
