//! A2D: harmful answers end wherever they are masked.

use super::covered::Covering;
use super::{CanvasIds, Objective};
use crate::data::{batch, check_answers};
use crate::example::{Example, Linear, Part};
use crate::options::{A2d, Normalise, Sft};
use crate::{AlignConfig, AlignError, Data};
use mosa_core::{Rng, Stream, TokenId};

/// Cross entropy of masked response tokens, each masked with probability lambda = (1 - eps) t + eps, t uniform in (0, 1)
/// (arXiv 2509.23286). Every masked position of a harmful answer has to become eos; those of harmless pairs, and of safe answers
/// to the harmful prompts, what stood there.
#[derive(Debug)]
pub struct A2dEos {
    settings: A2d,
    sft: Sft,
    covering: Covering,
    seed: u64,
    batch_size: usize,
    eos: TokenId,
    data: Data,
}

/// What an example teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lesson {
    /// That the answer of this record ends.
    End(usize),
    /// A safe answer to the prompt of this record.
    Refuse(usize),
    /// The answer of this retain record.
    Keep(usize),
}

impl A2dEos {
    /// The objective; `data.records` are the harmful pairs, `data.retain` the harmless ones.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if answers are missing or too long, or nothing harmless is there.
    pub fn new(config: &AlignConfig, ids: CanvasIds, data: Data) -> Result<Self, AlignError> {
        check_answers("data", &data.records, config.canvas_length)?;
        if data.retain.is_empty() {
            let what = "is missing: without harmless pairs (--retain) every answer would learn to end at once".into();
            return Err(AlignError::Setting { key: "retain.data", what });
        }
        check_answers("retain.data", &data.retain, config.canvas_length)?;
        let lacks = data.records.iter().any(|r| r.safe.is_empty()) && data.safe.is_empty();
        if config.a2d.refusals && lacks {
            let what = "= true needs safe answers or at least one safe sentence".into();
            return Err(AlignError::Setting { key: "a2d.refusals", what });
        }
        Ok(Self {
            settings: config.a2d,
            sft: config.sft,
            covering: Covering::new(config, ids),
            seed: config.seed,
            batch_size: config.batch_size,
            eos: ids.eos,
            data,
        })
    }

    /// Lessons of all records, in one row: an epoch visits each of them once.
    fn lesson(&self, number: usize) -> Lesson {
        let harmful = self.data.records.len();
        match number.checked_sub(harmful) {
            None => Lesson::End(number),
            Some(n) if !self.settings.refusals => Lesson::Keep(n),
            Some(n) if n < harmful => Lesson::Refuse(n),
            Some(n) => Lesson::Keep(n - harmful),
        }
    }

    /// The safe answer to the prompt of a record: its own, or a sentence that is drawn.
    fn refusal(&self, record: usize, step: usize, slot: usize) -> &[TokenId] {
        let own = &self.data.records[record].safe;
        if !own.is_empty() {
            return own;
        }
        let mut rng = Rng::at(self.seed, Stream::Sentences, step as u64, slot as u64);
        self.covering.unended(&self.data.safe[rng.below(self.data.safe.len())])
    }

    fn example(&self, step: usize, slot: usize, lesson: Lesson) -> Example {
        let (source, answer) = match lesson {
            Lesson::End(n) => (&self.data.records[n], self.data.records[n].response.as_slice()),
            Lesson::Refuse(n) => (&self.data.records[n], self.refusal(n, step, slot)),
            Lesson::Keep(n) => (&self.data.retain[n], self.data.retain[n].response.as_slice()),
        };
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64);
        let lambda = self.settings.masked_share(rng.unit());
        let length = self.covering.length;
        let mut masked: Vec<usize> = (0..length).filter(|_| rng.unit() < lambda).collect();
        if masked.is_empty() {
            masked.push(rng.below(length));
        }
        let written = self.covering.padded(answer);
        let weight = |i: usize| if i > answer.len() { self.sft.eos_weight } else { 1.0 };
        let total = match self.sft.normalise {
            Normalise::Likelihood => lambda * length as f64,
            Normalise::Document => masked.iter().map(|&i| weight(i)).sum::<f64>().max(f64::MIN_POSITIVE),
        };
        let token = |i: usize| if matches!(lesson, Lesson::End(_)) { self.eos } else { written[i] };
        let term = |&i: &usize| Linear { offset: i, token: token(i), weight: -weight(i) / total };
        let linear = masked.iter().map(term).filter(|l| l.weight != 0.0).collect();
        let (part, record) = match lesson {
            Lesson::End(n) => (Part::Aligned, n),
            Lesson::Refuse(n) => (Part::Retained, self.data.retain.len() + n),
            Lesson::Keep(n) => (Part::Retained, n),
        };
        Example { record, part, linear, ..self.covering.example(&source.prompt, written, &masked) }
    }
}

impl Objective for A2dEos {
    fn prompts(&self) -> usize {
        let harmful = self.data.records.len();
        harmful * (1 + usize::from(self.settings.refusals)) + self.data.retain.len()
    }

    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError> {
        let numbers = batch(self.seed, Stream::DataOrder, step, self.batch_size, self.prompts());
        let lessons = numbers.into_iter().map(|number| self.lesson(number));
        Ok(lessons.enumerate().map(|(slot, lesson)| self.example(step, slot, lesson)).collect())
    }
}
