//! The settings of an alignment; the defaults are the paper's, or the closest reading where it is silent.

use crate::AlignError;
use crate::options::{
    A2d, CanvasState, Contaminate, EndToken, KlSettings, LoraSettings, Optimiser, Pick, Placing, Recovery, Reduction,
    Refusal, Retain, Schedule, Sft, Share, Vrpo, Windows,
};
use mosa_core::Window;
use mosa_model::{Attention, ModelSpec};
use serde::{Deserialize, Serialize};

/// The highest rank of an adapter.
pub const MOST_RANK: usize = 16_384;
/// The most prompts of a step, and canvases of a pass.
const MOST_ROWS: usize = 16_384;
/// The most of anything that is counted: steps, epochs, positions, checkpoints.
const MOST: usize = 10_000_000;
/// The largest weight, rate or scale.
const LARGEST: f64 = 1e6;

/// Everything the appendix of a paper would hold. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignConfig {
    /// Optimiser steps. Default: as many as `epochs` need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Passes over the prompts. Paper: 1.
    pub epochs: usize,
    /// Prompts per step. The paper's figure allows 4 or 5 for its 3,000 questions; 4.
    pub batch_size: usize,
    /// Canvases per forward pass; gradients are accumulated over the passes of a step. 0: all of a step in one pass.
    pub micro_batch_size: usize,
    /// Fixed parts that the examples of a step are dealt out to, by their number; the gradient of each is computed by itself, and
    /// they are added up in order. So runs on 1, 2 or more ranks with as many shards are the same run. Default: 1, or as many as
    /// ranks were started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// The optimiser. Paper: AdamW.
    pub optimiser: Optimiser,
    /// Learning rate. Paper: 5e-5.
    pub lr: f64,
    /// How the learning rate changes. Not stated; constant.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises linearly from 0. Not stated; 0.
    pub warmup_steps: usize,
    /// AdamW's decay rates of the two moments. Not stated; 0.9 and 0.999.
    pub betas: [f64; 2],
    /// AdamW's epsilon. Not stated; 1e-8.
    pub eps: f64,
    /// Decoupled weight decay. Not stated; 0.
    pub weight_decay: f64,
    /// Largest global gradient norm. Paper: 0.01.
    pub clip: f64,
    /// Weight of the KL term. Paper: 0.05.
    pub beta: f64,
    /// Which divergence, and over which positions.
    pub kl: KlSettings,
    /// First and last response offset of the window, both inside; or a list of windows whose rewards are averaged.
    /// Paper: 20 to 60.
    pub window: Windows,
    /// Whether offsets count from 0 or from 1. Not stated; 0.
    pub offset_base: usize,
    /// Whether the whole sentence or only its start lies in the window. The paper's text says the former, its
    /// Algorithm 1 the latter.
    pub placement: Placing,
    /// Sum (Algorithm 1) or mean of a sentence's log-probabilities.
    pub reduction: Reduction,
    /// How the scores of all starts become one. Paper: the largest.
    pub pick: Pick,
    /// Temperature of `pick = "logsumexp"`.
    pub tau: f64,
    /// Weight of the safe sentence's score in R. Paper: 1.
    pub safe_weight: f64,
    /// Weight of the harmful sentence's score in R. Paper: 1.
    pub harmful_weight: f64,
    /// The harmful score counts as no lower than this, so that it cannot dominate. Paper: no floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harmful_floor: Option<f64>,
    /// Whether the pair of sentences is drawn once per step or for every prompt. Paper: per step.
    pub sentences: Share,
    /// What ends a safe sentence. Paper: "the end-of-sentence token", read as the tokeniser's eos.
    pub end: EndToken,
    /// What ends a harmful sentence. Paper: nothing.
    pub harmful_end: EndToken,
    /// Response positions. Paper: 128.
    pub canvas_length: usize,
    /// What stands before the block that is scored, for models that write in blocks. The paper's models do not; masks.
    pub canvas: CanvasState,
    /// Positions per block of such a model, counted from the first of the prompt. Default: the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_length: Option<usize>,
    /// Canvases on which part of a harmful answer already stands. Paper: none.
    pub contaminate: Contaminate,
    /// A refusal that is learned word by word. Paper: none.
    pub refusal: Refusal,
    /// Harmless prompts on which the model must stay what it was. Paper: none.
    pub retain: Retain,
    /// Settings of the objective `sft`.
    pub sft: Sft,
    /// Settings of the objective `a2d-eos`.
    pub a2d: A2d,
    /// Settings of the objective `vrpo`.
    pub vrpo: Vrpo,
    /// Settings of the objective `recovery`.
    pub recovery: Recovery,
    /// Steps between checkpoints; 0: only at the end.
    pub save_every: usize,
    /// How many checkpoints are kept.
    pub keep_last: usize,
    /// Recomputes activations block by block in the backward pass: less memory, one more forward pass.
    pub gradient_checkpointing: bool,
    /// Seed of the data order, the sentence pairs, the canvases and the initial adapter.
    pub seed: u64,
    /// The adapter.
    pub lora: LoraSettings,
}

impl Default for AlignConfig {
    fn default() -> Self {
        Self {
            steps: None,
            epochs: 1,
            batch_size: 4,
            micro_batch_size: 0,
            shards: None,
            optimiser: Optimiser::Adamw,
            lr: 5e-5,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip: 0.01,
            beta: 0.05,
            kl: KlSettings::default(),
            window: Windows::One([20, 60]),
            offset_base: 0,
            placement: Placing::Contained,
            reduction: Reduction::Sum,
            pick: Pick::Max,
            tau: 1.0,
            safe_weight: 1.0,
            harmful_weight: 1.0,
            harmful_floor: None,
            sentences: Share::Step,
            end: EndToken::Eos,
            harmful_end: EndToken::None,
            canvas_length: 128,
            canvas: CanvasState::Masked,
            block_length: None,
            contaminate: Contaminate::default(),
            refusal: Refusal::default(),
            retain: Retain::default(),
            sft: Sft::default(),
            a2d: A2d::default(),
            vrpo: Vrpo::default(),
            recovery: Recovery::default(),
            save_every: 50,
            keep_last: 2,
            gradient_checkpointing: false,
            seed: 0,
            lora: LoraSettings::default(),
        }
    }
}

impl AlignConfig {
    /// The response windows, 0-based.
    pub fn windows(&self) -> Vec<Window> {
        let base = self.offset_base;
        let zero_based = |[first, last]: [usize; 2]| Window { first: first - base, last: last - base };
        self.window.list().into_iter().map(zero_based).collect()
    }

    /// Steps in all for this many prompts.
    pub fn total_steps(&self, prompts: usize) -> usize {
        self.steps.unwrap_or(self.epochs.saturating_mul(prompts).div_ceil(self.batch_size.max(1)))
    }

    /// Shards of a step.
    pub fn shards(&self) -> usize {
        self.shards.unwrap_or(1)
    }

    /// Whom a token of the training canvases of this model sees; `None`: as the model was trained.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if the settings speak of blocks and the model has none.
    pub fn attention(&self, spec: &ModelSpec) -> Result<Option<Attention>, AlignError> {
        let blocks = matches!(spec.attention, Attention::BlockCausal { .. });
        let full = |key, what: &str| {
            wrong(key, &format!("{what} blocks that see those before them; {} sees its whole canvas", spec.family))
        };
        match self.block_length {
            Some(_) if !blocks => full("block_length", "is for models with"),
            None if !blocks && self.canvas == CanvasState::Teacher => {
                full("canvas", "= \"teacher\" is for models with")
            }
            block => Ok(block.map(|block| Attention::BlockCausal { block })),
        }
    }

    /// Refuses values that cannot be used.
    ///
    /// # Errors
    /// [`AlignError::Setting`] naming the key.
    pub fn check(&self) -> Result<(), AlignError> {
        self.check_bounds()?;
        self.check_optimiser()?;
        self.check_windows()?;
        self.check_options()?;
        self.check_objectives()
    }

    /// Nothing is larger than what could be meant.
    fn check_bounds(&self) -> Result<(), AlignError> {
        let counts = [
            ("steps", self.steps.unwrap_or(0), MOST),
            ("epochs", self.epochs, MOST),
            ("batch_size", self.batch_size, MOST_ROWS),
            ("micro_batch_size", self.micro_batch_size, MOST_ROWS),
            ("shards", self.shards(), MOST_ROWS),
            ("warmup_steps", self.warmup_steps, MOST),
            ("canvas_length", self.canvas_length, MOST),
            ("block_length", self.block_length.unwrap_or(0), MOST),
            ("contaminate.tokens", self.contaminate.tokens[1], MOST),
            ("retain.batch_size", self.retain.batch_size, MOST_ROWS),
            ("save_every", self.save_every, MOST),
            ("keep_last", self.keep_last, MOST),
            ("lora.r", self.lora.r, MOST_RANK),
            ("vrpo.draws", self.vrpo.draws, MOST_ROWS),
            ("recovery.group", self.recovery.group, MOST_ROWS),
            ("recovery.steps", self.recovery.steps.unwrap_or(0), MOST),
            ("recovery.block_length", self.recovery.block_length.unwrap_or(0), MOST),
        ];
        if let Some((key, value, most)) = counts.into_iter().find(|(_, value, most)| value > most) {
            return wrong(key, &format!("= {value} is more than {most}"));
        }
        let numbers = [
            ("lr", self.lr),
            ("eps", self.eps),
            ("weight_decay", self.weight_decay),
            ("clip", self.clip),
            ("beta", self.beta),
            ("tau", self.tau),
            ("safe_weight", self.safe_weight),
            ("harmful_weight", self.harmful_weight),
            ("harmful_floor", self.harmful_floor.unwrap_or(0.0)),
            ("lora.alpha", self.lora.alpha),
            ("refusal.weight", self.refusal.weight),
            ("refusal.eos_weight", self.refusal.eos_weight),
            ("retain.weight", self.retain.weight),
            ("sft.eos_weight", self.sft.eos_weight),
            ("vrpo.beta", self.vrpo.beta),
            ("vrpo.sft_weight", self.vrpo.sft_weight),
            ("recovery.temperature", self.recovery.temperature),
        ];
        match numbers.into_iter().find(|(_, value)| value.abs() > LARGEST) {
            Some((key, value)) => wrong(key, &format!("= {value} is beyond {LARGEST}")),
            None => Ok(()),
        }
    }

    fn check_optimiser(&self) -> Result<(), AlignError> {
        let decay = |b: f64| (0.0..1.0).contains(&b);
        match self {
            c if c.steps == Some(0) => wrong("steps", "must be positive"),
            c if c.epochs == 0 => wrong("epochs", "must be positive"),
            c if c.batch_size == 0 => wrong("batch_size", "must be positive"),
            c if c.shards == Some(0) => wrong("shards", "must be positive"),
            c if !positive(c.lr) => wrong("lr", "must be a positive number"),
            c if !positive(c.clip) => wrong("clip", "must be a positive number"),
            c if !positive(c.eps) => wrong("eps", "must be a positive number"),
            c if !c.betas.into_iter().all(decay) => wrong("betas", "must be two numbers from 0 up to, but not, 1"),
            c if !from_zero(c.weight_decay) => wrong("weight_decay", "must be a number from 0 up"),
            c if c.keep_last == 0 => wrong("keep_last", "must be positive"),
            c if c.lora.r == 0 => wrong("lora.r", "must be positive"),
            c if !c.lora.alpha.is_finite() => wrong("lora.alpha", "must be a number"),
            _ => Ok(()),
        }
    }

    fn check_windows(&self) -> Result<(), AlignError> {
        if self.offset_base > 1 {
            return wrong("offset_base", "must be 0 or 1");
        }
        if self.canvas_length == 0 {
            return wrong("canvas_length", "must be positive");
        }
        if self.block_length == Some(0) {
            return wrong("block_length", "must be positive");
        }
        let windows = self.window.list();
        if windows.is_empty() {
            return wrong("window", "must name at least one window");
        }
        for [first, last] in windows {
            if first > last || first < self.offset_base {
                return wrong("window", "must be [first, last] with offset_base <= first <= last");
            }
            if last - self.offset_base >= self.canvas_length {
                return wrong("window", "must lie inside canvas_length");
            }
        }
        Ok(())
    }

    fn check_options(&self) -> Result<(), AlignError> {
        let share = |v: f64| (0.0..=1.0).contains(&v);
        match self {
            c if !from_zero(c.beta) => wrong("beta", "must be a number from 0 up"),
            c if !positive(c.tau) => wrong("tau", "must be a positive number"),
            c if !from_zero(c.safe_weight) => wrong("safe_weight", "must be a number from 0 up"),
            c if !from_zero(c.harmful_weight) => wrong("harmful_weight", "must be a number from 0 up"),
            c if c.harmful_floor.is_some_and(|f| !(f.is_finite() && f <= 0.0)) => {
                wrong("harmful_floor", "is a log-probability: a number up to 0")
            }
            c if !share(c.contaminate.share) => wrong("contaminate.share", "must be between 0 and 1"),
            c if c.contaminate.tokens[0] > c.contaminate.tokens[1] => {
                wrong("contaminate.tokens", "must be [fewest, most]")
            }
            c if !from_zero(c.refusal.weight) => wrong("refusal.weight", "must be a number from 0 up"),
            c if !share(c.refusal.partly) => wrong("refusal.partly", "must be between 0 and 1"),
            c if !from_zero(c.refusal.eos_weight) => wrong("refusal.eos_weight", "must be a number from 0 up"),
            c if !share(c.retain.partly) => wrong("retain.partly", "must be between 0 and 1"),
            c if !from_zero(c.retain.weight) => wrong("retain.weight", "must be a number from 0 up"),
            c if !share(c.sft.nearly_masked) => wrong("sft.nearly_masked", "must be between 0 and 1"),
            c if !from_zero(c.sft.eos_weight) => wrong("sft.eos_weight", "must be a number from 0 up"),
            _ => Ok(()),
        }
    }
}

impl AlignConfig {
    /// The settings of single objectives.
    fn check_objectives(&self) -> Result<(), AlignError> {
        let Self { a2d, vrpo, recovery, .. } = self;
        match () {
            () if !(0.0..=1.0).contains(&a2d.eps) => wrong("a2d.eps", "must be between 0 and 1"),
            () if !positive(vrpo.beta) => wrong("vrpo.beta", "must be a positive number"),
            () if vrpo.draws == 0 => wrong("vrpo.draws", "must be positive"),
            () if !from_zero(vrpo.sft_weight) => wrong("vrpo.sft_weight", "must be a number from 0 up"),
            () if recovery.group < 2 => {
                wrong("recovery.group", "must be at least 2: answers are compared to each other")
            }
            () if recovery.steps == Some(0) => wrong("recovery.steps", "must be positive"),
            () if recovery.block_length == Some(0) => wrong("recovery.block_length", "must be positive"),
            () if !positive(recovery.temperature) => {
                wrong("recovery.temperature", "must be a positive number: answers of a group have to differ")
            }
            () => Ok(()),
        }
    }
}

fn wrong<T>(key: &'static str, what: &str) -> Result<T, AlignError> {
    Err(AlignError::Setting { key, what: what.into() })
}

fn positive(v: f64) -> bool {
    v.is_finite() && v > 0.0
}

fn from_zero(v: f64) -> bool {
    v.is_finite() && v >= 0.0
}
