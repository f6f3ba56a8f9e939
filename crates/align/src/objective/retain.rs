//! Harmless prompts on which the policy is kept at the reference.

use super::{CanvasIds, padded};
use crate::data::batch;
use crate::example::{Example, Part};
use crate::options::{CanvasState, KlDirection};
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
    canvas: CanvasState,
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
        let taught = config.canvas == CanvasState::Teacher;
        if let Some(r) = records.iter().find(|r| (settings.partly > 0.0 || taught) && r.response.is_empty()) {
            let (key, which) = if taught { ("canvas", "= \"teacher\" ") } else { ("retain.partly", "") };
            let what = format!("{which}needs an answer for every retain prompt (`response`); prompt {} has none", r.id);
            return Err(AlignError::Setting { key, what });
        }
        Ok(Some(Self {
            records,
            weight: settings.weight,
            partly: settings.partly,
            batch_size: settings.batch_size,
            canvas_length: config.canvas_length,
            canvas: config.canvas,
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
        // The answer with its tail of eos.
        let written = padded(&source.response, self.ids.eos, self.canvas_length);
        if rng.unit() < self.partly {
            // Each token is masked with probability t.
            let t = rng.unit();
            for (token, written) in response.iter_mut().zip(&written) {
                if rng.unit() >= t {
                    *token = *written;
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
            written: if self.canvas == CanvasState::Teacher { vec![written] } else { Vec::new() },
            share: 1.0 / self.batch_size as f64,
            linear: Vec::new(),
            direction: self.direction,
            reward: None,
            preference: None,
            windows: Vec::new(),
        }
    }
}
