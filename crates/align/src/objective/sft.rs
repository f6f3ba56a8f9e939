//! Masked-diffusion training: predict the masked tokens of an answer.

use super::{CanvasIds, Objective, padded};
use crate::data::{batch, check_answers};
use crate::example::{Example, Linear, Part};
use crate::options::{CanvasState, KlDirection, Normalise, Sft};
use crate::{AlignConfig, AlignError, Data};
use mosa_core::{Rng, Stream};

/// Cross entropy of the masked response tokens; each is masked with probability t (LLaDA, arXiv 2502.09992, section 2).
#[derive(Debug)]
pub struct MaskedSft {
    settings: Sft,
    canvas_length: usize,
    canvas: CanvasState,
    seed: u64,
    batch_size: usize,
    ids: CanvasIds,
    data: Data,
}

impl MaskedSft {
    /// The objective.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if a record has no answer, or one longer than the canvas.
    pub fn new(config: &AlignConfig, ids: CanvasIds, data: Data) -> Result<Self, AlignError> {
        check_answers("data", &data.records, config.canvas_length)?;
        Ok(Self {
            settings: config.sft,
            canvas_length: config.canvas_length,
            canvas: config.canvas,
            seed: config.seed,
            batch_size: config.batch_size,
            ids,
            data,
        })
    }

    fn example(&self, step: usize, slot: usize, record: usize) -> Example {
        let source = &self.data.records[record];
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64);
        let [low, high] = match source.masked {
            Some(range) => range,
            None if rng.unit() < self.settings.nearly_masked => [0.6, 1.0],
            None => [0.0, 1.0],
        };
        let t = low + (high - low) * rng.unit();
        let mut masked: Vec<usize> = (0..self.canvas_length).filter(|_| rng.unit() < t).collect();
        if masked.is_empty() {
            masked.push(rng.below(self.canvas_length));
        }
        let mut response = padded(&source.response, self.ids.eos, self.canvas_length);
        // The first eos ends the answer and counts in full; the rest only fills the canvas.
        let weight = |i: usize| if i > source.response.len() { self.settings.eos_weight } else { 1.0 };
        let total = match self.settings.normalise {
            Normalise::Likelihood => t * self.canvas_length as f64,
            Normalise::Document => masked.iter().map(|&i| weight(i)).sum::<f64>().max(f64::MIN_POSITIVE),
        };
        let term = |&i: &usize| Linear { offset: i, token: response[i], weight: -weight(i) / total };
        let linear: Vec<Linear> = masked.iter().map(term).filter(|l| l.weight != 0.0).collect();
        let written = if self.canvas == CanvasState::Teacher { vec![response.clone()] } else { Vec::new() };
        for &i in &masked {
            response[i] = self.ids.mask;
        }
        let prompt = &source.prompt;
        Example {
            record,
            part: Part::Aligned,
            prompt: prompt.len(),
            canvas: prompt.iter().copied().chain(response).collect(),
            written,
            share: 1.0 / self.batch_size as f64,
            linear,
            kl: Vec::new(),
            direction: KlDirection::PolicyReference,
            reward: None,
            preference: None,
            windows: Vec::new(),
        }
    }
}

impl Objective for MaskedSft {
    fn prompts(&self) -> usize {
        self.data.records.len()
    }

    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError> {
        let numbers = batch(self.seed, Stream::DataOrder, step, self.batch_size, self.prompts());
        Ok(numbers.into_iter().enumerate().map(|(slot, record)| self.example(step, slot, record)).collect())
    }
}
