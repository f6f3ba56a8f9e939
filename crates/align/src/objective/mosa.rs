//! MOSA and Initial Alignment: -R + beta KL on a (mostly) masked response.

use super::refusal::Refused;
use super::retain::Retained;
use super::{CanvasIds, Objective};
use crate::data::batch;
use crate::example::{Example, Part};
use crate::options::{CanvasState, Contaminate, EndToken, KlPositions, KlSettings, Pick, Reduction, Reveal, Share};
use crate::reward::RewardRule;
use crate::{AlignConfig, AlignError, Data, Record, SentencePair, WindowReward};
use mosa_core::{Placement, Rng, Stream, TokenId};

/// loss = mean over the batch of -R + beta KL(policy || reference), with the options of [`AlignConfig`].
#[derive(Debug)]
pub struct Mosa {
    rule: RewardRule,
    kl: KlSettings,
    beta: f64,
    canvas_length: usize,
    canvas: CanvasState,
    /// Whether an answer goes on behind a harmful sentence.
    goes_on: bool,
    sentences: Share,
    contaminate: Contaminate,
    refused: Refused,
    retained: Option<Retained>,
    seed: u64,
    batch_size: usize,
    ids: CanvasIds,
    data: Data,
}

impl Mosa {
    /// The objective; `placement` says where sentences may start.
    ///
    /// # Errors
    /// [`AlignError`] if a sentence does not fit, or an option needs answers the data does not have.
    pub fn new(config: &AlignConfig, placement: Placement, ids: CanvasIds, mut data: Data) -> Result<Self, AlignError> {
        let retained = Retained::new(config, ids, std::mem::take(&mut data.retain))?;
        let this = Self {
            rule: RewardRule {
                windows: config.windows(),
                placement,
                reduction: config.reduction,
                pick: config.pick,
                tau: config.tau,
                safe_weight: config.safe_weight,
                harmful_weight: config.harmful_weight,
                harmful_floor: config.harmful_floor,
            },
            kl: config.kl,
            beta: config.beta,
            canvas_length: config.canvas_length,
            canvas: config.canvas,
            goes_on: config.harmful_end == EndToken::None,
            sentences: config.sentences,
            contaminate: config.contaminate,
            refused: Refused { settings: config.refusal, ids },
            retained,
            seed: config.seed,
            batch_size: config.batch_size,
            ids,
            data,
        };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), AlignError> {
        let wrong = |key, what: &str| Err(AlignError::Setting { key, what: what.into() });
        let free = vec![true; self.canvas_length];
        for (set, sentences) in [("safe", &self.data.safe), ("harmful", &self.data.harmful)] {
            if sentences.is_empty() {
                return wrong("sentences", "need at least one safe and one harmful sentence");
            }
            for s in sentences {
                let pair = SentencePair { safe: s.clone(), harmful: s.clone() };
                WindowReward::new(&self.rule, pair, &free, 0.5).map_err(|source| AlignError::Sentence {
                    set,
                    tokens: s.clone(),
                    source,
                })?;
            }
        }
        if self.canvas == CanvasState::Teacher {
            self.check_teacher()?;
        }
        if self.contaminate.share > 0.0 {
            if matches!(self.rule.placement, Placement::Fixed(_)) {
                return wrong(
                    "contaminate.share",
                    "makes no sense with `initial`: its sentence starts where the harmful answer stands; set it to 0",
                );
            }
            if let Some(r) = self.data.records.iter().find(|r| r.response.is_empty()) {
                return wrong(
                    "contaminate.share",
                    &format!("needs an answer for every prompt (`response` or `target`); prompt {} has none", r.id),
                );
            }
        }
        Ok(())
    }

    /// Where a sentence is scored behind what stands before it, its start cannot be searched for: it is drawn.
    fn check_teacher(&self) -> Result<(), AlignError> {
        let wrong = |key, what: String| Err(AlignError::Setting { key, what });
        if self.refused.is_wanted() {
            let what = "must be 0 with canvas = \"teacher\", where the sentence stands on the canvas already";
            return wrong("refusal.weight", what.into());
        }
        if self.contaminate.share > 0.0 {
            let what = "must be 0 with canvas = \"teacher\", where an answer stands before the sentence already";
            return wrong("contaminate.share", what.into());
        }
        let [window] = self.rule.windows.as_slice() else {
            return wrong("window", "must be a single one with canvas = \"teacher\"".into());
        };
        if matches!(self.rule.placement, Placement::Fixed(_)) {
            return Ok(());
        }
        if self.rule.pick != Pick::Random {
            let what = "must be \"random\" with canvas = \"teacher\": a sentence is scored behind what stands before it, so its start is drawn and not searched for";
            return wrong("pick", what.into());
        }
        let short = self.data.records.iter().filter(|r| r.response.len() < window.first);
        let short = short.map(|r| r.id.as_str()).collect::<Vec<_>>().join(", ");
        if !short.is_empty() {
            let what = format!(
                "= \"teacher\" needs answers (`response` or `target`) that reach the window, {} tokens; those of the prompts {short} do not",
                window.first
            );
            return wrong("canvas", what);
        }
        Ok(())
    }

    /// The pair of sentences of one example.
    fn pair(&self, step: usize, slot: usize) -> SentencePair {
        let sample = match self.sentences {
            Share::Step => 0,
            Share::Prompt => slot as u64,
        };
        let mut rng = Rng::at(self.seed, Stream::Sentences, step as u64, sample);
        let mut draw = |set: &[Vec<TokenId>]| set[rng.below(set.len())].clone();
        SentencePair { safe: draw(&self.data.safe), harmful: draw(&self.data.harmful) }
    }

    fn example(&self, step: usize, slot: usize, record: usize) -> Result<Example, AlignError> {
        let source = &self.data.records[record];
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64);
        let (pair, draw) = (self.pair(step, slot), rng.unit());
        if self.canvas == CanvasState::Teacher {
            return self.taught(record, pair, draw);
        }
        let mut response = vec![self.ids.mask; self.canvas_length];
        if rng.unit() < self.contaminate.share {
            reveal(&mut response, source, &self.contaminate, &mut rng);
        }
        let laid = self.refused.lay(&mut response, &source.response, &pair.safe, &mut rng);
        let free = |response: &[TokenId]| response.iter().map(|t| *t == self.ids.mask).collect::<Vec<_>>();
        let mut reward = if laid.is_partly_written { None } else { self.reward(&pair, &free(&response), draw)? };
        if reward.is_none() && !self.refused.is_wanted() {
            // What was revealed leaves no place for a sentence: this canvas stays masked.
            response.fill(self.ids.mask);
            reward = self.reward(&pair, &free(&response), draw)?;
        }
        let kl = self.divergence(&free(&response));
        Ok(Example {
            record,
            part: Part::Aligned,
            prompt: source.prompt.len(),
            canvas: source.prompt.iter().copied().chain(response).collect(),
            written: Vec::new(),
            share: 1.0 / self.batch_size as f64,
            linear: laid.terms,
            kl,
            direction: self.kl.direction,
            reward,
            preference: None,
            windows: self.rule.windows.clone(),
        })
    }

    /// The reward on a canvas of which `free` says what is masked; `None` if it leaves a sentence no place, or neither
    /// sentence has a weight.
    fn reward(&self, pair: &SentencePair, free: &[bool], draw: f64) -> Result<Option<WindowReward>, AlignError> {
        if self.rule.safe_weight == 0.0 && self.rule.harmful_weight == 0.0 {
            return Ok(None);
        }
        Ok(WindowReward::new(&self.rule, pair.clone(), free, draw)?)
    }

    /// A masked canvas whose blocks see, of those before them, the beginning of the answer and the sentence itself: the
    /// safe one on one sheet, the harmful one on another, both behind the same words.
    fn taught(&self, record: usize, pair: SentencePair, draw: f64) -> Result<Example, AlignError> {
        let source = &self.data.records[record];
        let (length, free) = (self.canvas_length, vec![true; self.canvas_length]);
        let placed = WindowReward::new(&self.rule, pair.clone(), &free, draw)?;
        let no_place = || AlignError::Setting {
            key: "window",
            what: format!("has no start for both sentences inside the answer of prompt {}", source.id),
        };
        // At offset 0 nothing stands before the sentence, and no answer is needed.
        let (reward, start) = placed.and_then(|r| r.at_one_start(source.response.len())).ok_or_else(no_place)?;
        let whole = |sentence: &[TokenId], goes_on: bool| -> Vec<TokenId> {
            let rest = source.response.iter().skip(if goes_on { start + sentence.len() } else { usize::MAX });
            let words = source.response[..start].iter().chain(sentence).chain(rest).copied();
            words.chain(std::iter::repeat(self.ids.eos)).take(length).collect()
        };
        Ok(Example {
            record,
            part: Part::Aligned,
            prompt: source.prompt.len(),
            canvas: source.prompt.iter().copied().chain(std::iter::repeat_n(self.ids.mask, length)).collect(),
            written: vec![whole(&pair.safe, false), whole(&pair.harmful, self.goes_on)],
            share: 1.0 / self.batch_size as f64,
            linear: Vec::new(),
            kl: self.divergence(&free),
            direction: self.kl.direction,
            reward: Some(reward),
            preference: None,
            windows: self.rule.windows.clone(),
        })
    }

    /// The weights of the KL at every masked offset it is taken over.
    fn divergence(&self, free: &[bool]) -> Vec<(usize, f64)> {
        if self.beta == 0.0 {
            return Vec::new();
        }
        let inside = |i: usize| self.rule.windows.iter().any(|w| (w.first..=w.last).contains(&i));
        let wanted = |i: &usize| match self.kl.positions {
            KlPositions::All => true,
            KlPositions::Window => inside(*i),
            KlPositions::Outside => !inside(*i),
        };
        let offsets: Vec<usize> = (0..free.len()).filter(|&i| free[i]).filter(wanted).collect();
        let weight = match self.kl.reduction {
            Reduction::Sum => self.beta,
            Reduction::Mean => self.beta / offsets.len().max(1) as f64,
        };
        offsets.into_iter().map(|i| (i, weight)).collect()
    }
}

impl Objective for Mosa {
    fn prompts(&self) -> usize {
        self.data.records.len()
    }

    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError> {
        let numbers = batch(self.seed, Stream::DataOrder, step, self.batch_size, self.prompts());
        let own = numbers.into_iter().enumerate().map(|(slot, record)| self.example(step, slot, record));
        let mut examples = own.collect::<Result<Vec<_>, _>>()?;
        examples.extend(self.retained.iter().flat_map(|r| r.examples(step)));
        Ok(examples)
    }
}

/// Puts part of the record's answer onto a masked response.
fn reveal(response: &mut [TokenId], record: &Record, how: &Contaminate, rng: &mut Rng) {
    let answer = &record.response[..record.response.len().min(response.len())];
    let [fewest, most] = how.tokens.map(|n| n.min(answer.len()));
    let kind = match how.kind {
        Reveal::Mixed => [Reveal::Prefix, Reveal::Random, Reveal::Segment][rng.below(3)],
        kind => kind,
    };
    let count = match how.kind {
        Reveal::Mixed => log_uniform([fewest, most], rng),
        _ => fewest + rng.below(most - fewest + 1),
    };
    let offsets: Vec<usize> = match kind {
        Reveal::Prefix => (0..count).collect(),
        Reveal::Random => rng.permutation(answer.len()).into_iter().take(count).collect(),
        Reveal::Segment | Reveal::Mixed => {
            let first = rng.below(answer.len() - count + 1);
            (first..first + count).collect()
        }
    };
    for i in offsets {
        response[i] = answer[i];
    }
}

/// A number from `fewest` to `most` whose logarithm is uniform; 0 counts as 1 there.
fn log_uniform([fewest, most]: [usize; 2], rng: &mut Rng) -> usize {
    let [low, high] = [fewest, most].map(|n| n.max(1) as f64);
    let drawn = low * (high / low).powf(rng.unit());
    (drawn.round() as usize).clamp(fewest, most)
}
