//! VRPO: direct preference for safe answers, on estimated likelihoods.

use super::covered::Covering;
use super::retain::Retained;
use super::{CanvasIds, Objective};
use crate::data::{batch, check_answers};
use crate::example::{Example, Linear, Preference};
use crate::options::{Sft, Vrpo};
use crate::{AlignConfig, AlignError, Data};
use mosa_core::{Rng, Stream, TokenId};

/// DPO on lower bounds of the log-likelihood (LLaDA 1.5, arXiv 2505.19223):
///
/// ```text
/// B(y) = mean over draws t of 1/t sum over masked i of ln p(y_i | prompt, y masked with probability t)
/// loss = -ln sigmoid(beta ((B - Br)(safe) - (B - Br)(harmful)))
/// ```
///
/// As published for a small variance, every t has one mask, the t of the draws are spread evenly over (0, 1), and policy and
/// reference see the same canvases.
#[derive(Debug)]
pub struct VrpoPairs {
    settings: Vrpo,
    sft: Sft,
    covering: Covering,
    seed: u64,
    batch_size: usize,
    retained: Option<Retained>,
    data: Data,
}

/// A look at an answer: how far it is masked, and where.
struct Draw {
    share: f64,
    masked: Vec<usize>,
}

impl VrpoPairs {
    /// The objective; the answers of `data.records` are the rejected ones, their `safe` answers or, without one, the safe
    /// sentences the chosen ones.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if answers are missing or too long.
    pub fn new(config: &AlignConfig, ids: CanvasIds, mut data: Data) -> Result<Self, AlignError> {
        check_answers("data", &data.records, config.canvas_length)?;
        if data.safe.is_empty() && data.records.iter().any(|r| r.safe.is_empty()) {
            let what = "need at least one safe one, or a safe answer for every prompt".into();
            return Err(AlignError::Setting { key: "sentences", what });
        }
        if data.safe.iter().any(|s| s.len() > config.canvas_length) {
            let what = format!("hold a safe one that does not fit canvas_length {}", config.canvas_length);
            return Err(AlignError::Setting { key: "sentences", what });
        }
        let retained = Retained::new(config, ids, std::mem::take(&mut data.retain))?;
        Ok(Self {
            settings: config.vrpo,
            sft: config.sft,
            covering: Covering::new(config, ids),
            seed: config.seed,
            batch_size: config.batch_size,
            retained,
            data,
        })
    }

    /// The looks at the two answers of a record.
    fn pair(&self, step: usize, slot: usize, record: usize) -> Vec<Example> {
        let source = &self.data.records[record];
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64);
        let shares = self.settings.shares(rng.unit());
        let chosen = match source.safe.is_empty() {
            false => source.safe.as_slice(),
            true => {
                let mut rng = Rng::at(self.seed, Stream::Sentences, step as u64, slot as u64);
                self.covering.unended(&self.data.safe[rng.below(self.data.safe.len())])
            }
        };
        let mut looks = Vec::with_capacity(2 * shares.len());
        for (is_chosen, answer) in [(true, chosen), (false, source.response.as_slice())] {
            for (i, &share) in shares.iter().enumerate() {
                // Lane 1 is that of the retain prompts.
                let mut rng = rng.lane(2 + 2 * i as u64 + u64::from(is_chosen));
                let masked = (0..self.covering.length).filter(|_| rng.unit() < share).collect();
                let look = self.look(&source.prompt, answer, Draw { share, masked });
                let preference = look.preference.map(|p| Preference { pair: slot, chosen: is_chosen, ..p });
                let linear = if is_chosen { self.imitated(preference.as_ref()) } else { Vec::new() };
                looks.push(Example { record, linear, preference, ..look });
            }
        }
        looks
    }

    /// One draw of the log-likelihood of an answer.
    fn look(&self, prompt: &[TokenId], answer: &[TokenId], Draw { share, masked }: Draw) -> Example {
        let written = self.covering.padded(answer);
        // The first eos ends the answer and counts in full; the rest only fills the canvas.
        let weight = |i: usize| if i > answer.len() { self.sft.eos_weight } else { 1.0 };
        let draw = share * self.settings.draws as f64;
        let term = |&i: &usize| Linear { offset: i, token: written[i], weight: weight(i) / draw };
        let terms = masked.iter().map(term).filter(|l| l.weight != 0.0).collect();
        let preference = Preference { pair: 0, chosen: false, beta: self.settings.beta, terms };
        Example { preference: Some(preference), ..self.covering.example(prompt, written, &masked) }
    }

    /// The terms of `sft_weight` times the negative log-likelihood per position.
    fn imitated(&self, preference: Option<&Preference>) -> Vec<Linear> {
        let factor = -self.settings.sft_weight / self.covering.length as f64;
        if factor == 0.0 {
            return Vec::new();
        }
        preference.iter().flat_map(|p| p.terms.iter().map(|l| l.times(factor))).collect()
    }
}

impl Objective for VrpoPairs {
    fn prompts(&self) -> usize {
        self.data.records.len()
    }

    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError> {
        let numbers = batch(self.seed, Stream::DataOrder, step, self.batch_size, self.prompts());
        let mut examples: Vec<Example> =
            numbers.into_iter().enumerate().flat_map(|(slot, record)| self.pair(step, slot, record)).collect();
        examples.extend(self.retained.iter().flat_map(|r| r.examples(step)));
        Ok(examples)
    }
}
