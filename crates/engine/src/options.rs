//! Every setting of the published samplers.

use crate::EngineError;
use crate::commit::Commit;
use crate::error::option;
use mosa_core::TokenId;
use mosa_model::ModelSpec;
use serde::Serialize;

/// The most steps a schedule may have.
pub const MOST_STEPS: usize = 1_000_000;
/// The largest temperature and guidance; the smallest temperature above 0 is one over it.
pub const LARGEST: f64 = 1e6;

/// How many positions are revealed when.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// LLaDA: blocks from left to right, each with its share of the steps; a block's masks are spread over its steps.
    Blocks {
        /// Steps in all; a multiple of the number of blocks. Not used by threshold and factor.
        steps: usize,
        /// Positions per block; divides the response length.
        block_length: usize,
    },
    /// Dream: all positions at once, the share of masks falls linearly from 1 to `eps`.
    Timesteps {
        /// Steps in all.
        steps: usize,
        /// End of the time grid. Published: 1e-3.
        eps: f64,
        /// Whose masks the number to reveal is computed from.
        count: RevealCount,
    },
}

/// Whose masks Dream's number to reveal is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevealCount {
    /// Each row's own, so that an answer does not depend on its batch. Equal to the published code whenever all rows
    /// have the same number of masks.
    #[default]
    PerRow,
    /// The mean over the batch, as published.
    BatchMean,
}

/// What is kept between passes (Fast-dLLM, arXiv 2505.22618).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Nothing: exact.
    #[default]
    None,
    /// Keys and values before the block.
    Prefix,
    /// Keys and values of everything outside the block.
    Dual,
}

/// How the end tokens are held back (both published as flags of LLaDA's generate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndRule {
    /// They are tokens like any other.
    #[default]
    Free,
    /// `logits_eos_inf`: eos is never chosen.
    NeverEos,
    /// `confidence_eos_eot_inf`: eos and eot may be chosen, but with confidence 0, so they are committed last. Applies
    /// at any temperature (the published code drops the eos half above 0).
    EndsLast,
    /// Both.
    Both,
}

/// Whether the mask token itself may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskRule {
    /// Never; the confidences are still those of the published code.
    #[default]
    Suppress,
    /// As published: a position that "reveals" a mask wastes its place in the schedule.
    Allow,
}

/// How rows share a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Batching {
    /// Each row in a pass of its own: the batch never changes an answer.
    #[default]
    Rows,
    /// Rows share padded passes: faster on a GPU, equal up to rounding.
    Shared {
        /// Most tokens of a pass, padding included.
        tokens: usize,
    },
}

impl Batching {
    /// Shared passes of up to 32,768 tokens.
    pub const SHARED: Self = Self::Shared { tokens: 1 << 15 };
}

/// The tokens that end an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// End of text.
    pub eos: TokenId,
    /// End of turn, where the tokeniser has one.
    pub eot: Option<TokenId>,
}

/// Settings of a decode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Options {
    /// Response positions. Published default: 128.
    pub gen_length: usize,
    /// When how many positions are revealed.
    pub schedule: Schedule,
    /// Which positions are revealed.
    pub commit: Commit,
    /// Gumbel noise on the logits (blocks) or softmax temperature (time steps); 0 = arg-max.
    pub temperature: f64,
    /// Keep the smallest set of tokens whose probability exceeds this (time steps only).
    pub top_p: Option<f64>,
    /// Keep the k most likely tokens (time steps only).
    pub top_k: Option<usize>,
    /// Dream's `alg_temp`: randomises the ranking of positions.
    pub rank_temperature: Option<f64>,
    /// Classifier-free guidance: logits = u + (scale + 1) (c - u), u from a canvas without the prompt. 0 = off.
    pub cfg_scale: f64,
    /// How the end tokens are held back.
    pub end_rule: EndRule,
    /// Whether the mask token may be chosen.
    pub mask_rule: MaskRule,
    /// What is kept between passes.
    pub cache: CacheMode,
    /// Stop a row once an end token stands with nothing masked before it: the answer up to there can no longer change.
    /// Not used for rows with interventions, which may take commits back.
    pub stop_at_end: bool,
    /// Seed of every random draw.
    pub seed: u64,
    /// The tokens that end an answer.
    pub ends: Ends,
}

impl Options {
    /// LLaDA's generate() with its defaults: 128 positions, 128 steps, one block, arg-max, low confidence.
    pub fn llada(ends: Ends) -> Self {
        Self {
            gen_length: 128,
            schedule: Schedule::Blocks { steps: 128, block_length: 128 },
            commit: Commit::LowConfidence,
            temperature: 0.0,
            top_p: None,
            top_k: None,
            rank_temperature: None,
            cfg_scale: 0.0,
            end_rule: EndRule::Free,
            mask_rule: MaskRule::Suppress,
            cache: CacheMode::None,
            stop_at_end: false,
            seed: 0,
            ends,
        }
    }

    /// Dream's diffusion_generate with the values of its shipped generation_config: alg origin, eps 1e-3.
    pub fn dream(ends: Ends) -> Self {
        let schedule = Schedule::Timesteps { steps: 128, eps: 1e-3, count: RevealCount::PerRow };
        Self { schedule, commit: Commit::Origin, ..Self::llada(ends) }
    }

    /// Refuses values that cannot be used, and combinations that contradict each other.
    ///
    /// # Errors
    /// [`EngineError::Option`] naming the option.
    pub fn check(&self, spec: &ModelSpec) -> Result<(), EngineError> {
        if self.gen_length == 0 || self.gen_length >= spec.max_length {
            let what = format!(
                "= {} must be positive and leave room for a prompt in the context of {}",
                self.gen_length, spec.max_length
            );
            return Err(option("gen-length", what));
        }
        let (Schedule::Blocks { steps, .. } | Schedule::Timesteps { steps, .. }) = self.schedule;
        if steps > MOST_STEPS {
            return Err(option("steps", format!("= {steps} is more than {MOST_STEPS}")));
        }
        match self.schedule {
            Schedule::Blocks { steps, block_length } => self.check_blocks(steps, block_length)?,
            Schedule::Timesteps { steps, eps, .. } => self.check_timesteps(steps, eps)?,
        }
        self.commit.check()?;
        self.check_numbers()?;
        if self.cfg_scale > 0.0 && self.cache != CacheMode::None {
            return Err(option(
                "cfg-scale",
                "cannot be combined with a cache: guidance needs two canvases, the cache holds one",
            ));
        }
        if matches!(self.end_rule, EndRule::EndsLast | EndRule::Both) && self.ends.eot.is_none() {
            return Err(option("confidence-eos-eot-inf", "needs an end-of-turn token, and the tokeniser has none"));
        }
        Ok(())
    }

    fn check_blocks(&self, steps: usize, block_length: usize) -> Result<(), EngineError> {
        let g = self.gen_length;
        if block_length == 0 || !g.is_multiple_of(block_length) {
            return Err(option("gen-length", format!("= {g} is not a multiple of block-length = {block_length}")));
        }
        let blocks = g / block_length;
        if !self.commit.is_parallel() && (steps == 0 || !steps.is_multiple_of(blocks)) {
            return Err(option(
                "steps",
                format!(
                    "= {steps} is not a positive multiple of the {blocks} blocks (gen-length {g} / block-length {block_length})"
                ),
            ));
        }
        if matches!(self.commit, Commit::Origin) {
            return Err(option("alg", "origin reveals by Dream's time grid, not by blocks"));
        }
        if self.top_p.is_some() || self.top_k.is_some() || self.rank_temperature.is_some() {
            return Err(option("top-p / top-k / alg-temp", "belong to Dream's sampler, not to the block sampler"));
        }
        Ok(())
    }

    fn check_timesteps(&self, steps: usize, eps: f64) -> Result<(), EngineError> {
        if steps == 0 {
            return Err(option("steps", "must be positive"));
        }
        if !(eps > 0.0 && eps < 1.0) {
            return Err(option("eps", format!("= {eps} must lie between 0 and 1")));
        }
        if self.commit.is_parallel() || self.cache != CacheMode::None || self.cfg_scale > 0.0 {
            return Err(option(
                "threshold / factor / cache / cfg-scale",
                "belong to the block sampler; use --sampler blocks",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), EngineError> {
        let not_negative = [
            ("temperature", Some(self.temperature)),
            ("cfg-scale", Some(self.cfg_scale)),
            ("alg-temp", self.rank_temperature),
        ];
        for (name, value) in not_negative {
            if let Some(v) = value.filter(|v| !(0.0..=LARGEST).contains(v)) {
                return Err(option(name, format!("= {v} must be a number from 0 to {LARGEST}")));
            }
            if let Some(v) = value.filter(|v| name != "cfg-scale" && *v > 0.0 && *v < 1.0 / LARGEST) {
                return Err(option(name, format!("= {v} must be 0 or at least {}", 1.0 / LARGEST)));
            }
        }
        if let Some(p) = self.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(option("top-p", format!("= {p} must lie in (0, 1]")));
        }
        if self.top_k == Some(0) {
            return Err(option("top-k", "must be positive"));
        }
        Ok(())
    }
}
