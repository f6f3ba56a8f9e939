//! The corpus as an objective: every step has documents of its own, masked as it goes.

use anyhow::{Result, ensure};
use mosa_align::{AlignConfig, AlignError, Example, KlDirection, Linear, Normalise, Objective, Part};
use mosa_core::{Rng, Stream};
use mosa_text::{Message, Prompt, TextModel};
use mosa_world::{Corpus, Hidden, Masking, POSITIONS};

/// Documents number `step` times `batch_size` and on: nothing is kept, and nothing comes twice.
#[derive(Debug)]
pub(super) struct Documents {
    corpus: Corpus,
    masking: Masking,
    normalise: Normalise,
    batch_size: usize,
    /// Documents of all steps.
    number: usize,
}

impl Documents {
    /// The documents of a run.
    ///
    /// # Errors
    /// If the canvas is too short for the answers.
    pub(super) fn new(config: &AlignConfig, number: usize) -> Result<Self> {
        let (length, sft) = (config.canvas_length, config.sft);
        ensure!(length >= POSITIONS, "`canvas_length` = {length}: answers of the world need {POSITIONS} positions");
        let masking = Masking { length, nearly_masked: sft.nearly_masked, end_weight: sft.eos_weight };
        Ok(Self {
            corpus: Corpus { seed: config.seed },
            masking,
            normalise: sft.normalise,
            batch_size: config.batch_size,
            number,
        })
    }

    /// Refuses a tokeniser or a template that makes other ids of a document than the corpus does.
    ///
    /// # Errors
    /// If it does, or cannot tokenise one.
    pub(super) fn check(&self, text: &TextModel) -> Result<()> {
        let document = (0..).map(|i| self.corpus.document(i)).find(|d| d.follows && d.gaps.is_empty());
        let Some(document) = document else { return Ok(()) };
        let answer_alone = Masking { nearly_masked: 0.0, ..self.masking };
        let canvas = document.canvas(answer_alone, &mut Rng::at(self.corpus.seed, Stream::Canvas, 0, 0));
        let mut ids = canvas.tokens;
        canvas.hidden.iter().for_each(|h| ids[h.at] = h.token);
        let mut wanted = text.encode(&Prompt::Chat(vec![Message::user(&document.prompt)]))?;
        wanted.extend(text.tokenizer.encode(&document.answer)?);
        ensure!(ids.starts_with(&wanted), "the tokeniser's ids for a document of the corpus are not the corpus's own");
        Ok(())
    }

    fn example(&self, step: usize, slot: usize) -> Example {
        let record = step * self.batch_size + slot;
        let mut rng = Rng::at(self.corpus.seed, Stream::Canvas, step as u64, slot as u64);
        let canvas = self.corpus.document(record as u64).canvas(self.masking, &mut rng);
        let total = match self.normalise {
            Normalise::Likelihood => canvas.expected,
            Normalise::Document => canvas.hidden.iter().map(|h| h.weight).sum(),
        };
        let weight = |h: &Hidden| -h.weight / total.max(f64::MIN_POSITIVE);
        let term = |h: &Hidden| Linear { offset: h.at - canvas.head, token: h.token, weight: weight(h) };
        Example {
            record,
            part: Part::Aligned,
            prompt: canvas.head,
            linear: canvas.hidden.iter().map(term).filter(|l| l.weight != 0.0).collect(),
            canvas: canvas.tokens,
            written: Vec::new(),
            share: 1.0 / self.batch_size as f64,
            kl: Vec::new(),
            direction: KlDirection::PolicyReference,
            reward: None,
            preference: None,
            windows: Vec::new(),
        }
    }
}

impl Objective for Documents {
    fn prompts(&self) -> usize {
        self.number
    }

    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError> {
        Ok((0..self.batch_size).map(|slot| self.example(step, slot)).collect())
    }
}
