//! Every setting of the published samplers.

use crate::EngineError;
use crate::commit::Commit;
use crate::error::option;
use crate::schedule::{BlockQuota, Frame, RevealCount, Schedule};
use mosa_core::TokenId;
use mosa_model::ModelSpec;
use serde::{Deserialize, Serialize};
use tch::Device;

/// The most steps a schedule may have.
pub const MOST_STEPS: usize = 1_000_000;
/// The largest temperature and guidance; the smallest temperature above 0 is one over it.
pub const LARGEST: f64 = 1e6;

/// What is kept between passes (Fast-dLLM, arXiv 2505.22618).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Nothing: exact.
    #[default]
    None,
    /// Keys and values before the block.
    Prefix,
    /// Keys and values of everything outside the block.
    Dual,
    /// Keys and values of the blocks before the first that changed: exact, as none of them sees a later one (block diffusion).
    Block,
}

/// How the end tokens are held back (both published as flags of LLaDA's generate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskRule {
    /// Never; the confidences are still those of the published code.
    #[default]
    Suppress,
    /// As published: a position that "reveals" a mask wastes its place in the schedule.
    Allow,
}

/// How rows share a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batching {
    /// Each row in a pass of its own: the batch never changes an answer.
    #[default]
    Rows,
    /// The same, and every row makes a step in turn: no request waits for all of another one (a server).
    Turns,
    /// Rows share passes, padded or packed: faster on a GPU, equal up to rounding.
    Shared {
        /// Most computed positions of a pass: its rows, each half of guidance for itself, times the longest of them.
        tokens: usize,
    },
}

impl Batching {
    /// Shared passes of up to 32,768 computed positions, padding and both halves of guidance included.
    ///
    /// At the shape of LLaDA-8B in bf16 that is 0.27 GB per hidden state, about 2.4 GB for the three tensors of a feed-forward
    /// part and, if every second position is masked, 4 GB of logits: room beside 16 GB of weights on a card of 40 GB. A pass
    /// that does not fit is split ([`Session::step`](crate::Session::step)).
    pub const SHARED: Self = Self::Shared { tokens: 1 << 15 };

    /// How questions share passes where somebody wants them to ([`choose`](crate::choose)): [`Batching::SHARED`], but
    /// on the CPU up to 4,096 positions. From a thousand on a pass there is hardly faster for being larger, and the C
    /// allocator keeps activations of that size.
    pub fn of_questions(device: Device) -> Self {
        if device == Device::Cpu { Self::Shared { tokens: 1 << 12 } } else { Self::SHARED }
    }

    /// How rows share passes where nobody said: not at all on the CPU, where the batch then never changes an answer and a
    /// pass is no faster for being shared; [`Batching::SHARED`] on any other device, whose passes are too short for one row.
    pub fn default_for(device: Device) -> Self {
        if device == Device::Cpu { Self::Rows } else { Self::SHARED }
    }
}

/// The tokens that end an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// End of text.
    pub eos: TokenId,
    /// End of turn, where the tokeniser has one.
    #[serde(default)]
    pub eot: Option<TokenId>,
}

/// Settings of a decode.
///
/// Serialised by the names of its fields. Length, schedule, policy and end tokens have to be there; any other that is missing has
/// the value that changes nothing, so what was written before a setting existed still reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Response positions. Published default: 128.
    pub gen_length: usize,
    /// When how many positions are revealed.
    pub schedule: Schedule,
    /// Which positions are revealed.
    pub commit: Commit,
    /// Gumbel noise on the logits (blocks) or softmax temperature (time steps); 0 = arg-max.
    #[serde(default)]
    pub temperature: f64,
    /// Keep the smallest set of tokens whose probability exceeds this (time steps only).
    #[serde(default)]
    pub top_p: Option<f64>,
    /// Keep the k most likely tokens (time steps only).
    #[serde(default)]
    pub top_k: Option<usize>,
    /// Dream's `alg_temp`: randomises the ranking of positions.
    #[serde(default)]
    pub rank_temperature: Option<f64>,
    /// Classifier-free guidance: logits = u + (scale + 1) (c - u), u from a canvas without the prompt. 0 = off.
    #[serde(default)]
    pub cfg_scale: f64,
    /// How the end tokens are held back.
    #[serde(default)]
    pub end_rule: EndRule,
    /// Whether the mask token may be chosen.
    #[serde(default)]
    pub mask_rule: MaskRule,
    /// What is kept between passes.
    #[serde(default)]
    pub cache: CacheMode,
    /// Stop a row once an end token stands with nothing masked before it: the answer up to there can no longer change.
    /// Not used for rows with interventions that may take commits back (all but those that only watch).
    #[serde(default)]
    pub stop_at_end: bool,
    /// Stop a row behind the block in which one of these was revealed, with nothing masked before it (SDAR's stop ids, LLaDA2's
    /// eos). Tokens given from outside do not count.
    #[serde(default)]
    pub block_stops: Vec<TokenId>,
    /// Seed of every random draw.
    #[serde(default)]
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
            block_stops: Vec::new(),
            seed: 0,
            ends,
        }
    }

    /// Dream's diffusion_generate with the values of its shipped generation_config: alg origin, eps 1e-3.
    pub fn dream(ends: Ends) -> Self {
        let schedule = Schedule::Timesteps { steps: 128, eps: 1e-3, count: RevealCount::PerRow };
        Self { schedule, commit: Commit::Origin, ..Self::llada(ends) }
    }

    /// SDAR's block_diffusion_generate for blocks of this length, with its defaults but for the temperature: as many steps as
    /// positions, everything more probable than 0.85 at once, arg-max; the exact cache; a row stops behind the block with an
    /// end token.
    pub fn block_diffusion(ends: Ends, block_length: usize) -> Self {
        let quota = BlockQuota::Steps(block_length);
        Self {
            schedule: Schedule::BlockDiffusion { block_length, quota, editing: None },
            commit: Commit::Dynamic(0.85),
            cache: CacheMode::Block,
            block_stops: std::iter::once(ends.eos).chain(ends.eot).collect(),
            ..Self::llada(ends)
        }
    }

    /// Positions of a block; none where positions are committed anywhere from the first step on.
    pub fn block_length(&self) -> Option<usize> {
        match self.schedule {
            Schedule::Blocks { block_length, .. } | Schedule::BlockDiffusion { block_length, .. } => Some(block_length),
            Schedule::Timesteps { .. } => None,
        }
    }

    /// The same sampler for another response length: as many positions per step, and per block where that fits.
    pub fn resized(&self, gen_length: usize) -> Self {
        let schedule = self.schedule.plan().resized(self.gen_length, gen_length);
        Self { gen_length, schedule, ..self.clone() }
    }

    /// The same sampler with one position per step, and no blocks but those that the model needs.
    pub fn one_per_step(self) -> Self {
        let schedule = self.schedule.plan().one_per_step(self.gen_length);
        Self { schedule, commit: self.commit.within_quota(), ..self }
    }

    /// The number of blocks behind a prompt of this length. Records of later blocks are of the steps that reveal what the
    /// blocks left masked.
    pub fn blocks(&self, prompt: usize) -> usize {
        let plan = self.schedule.plan();
        let gen_length = plan.response_on_canvas(prompt, self.gen_length);
        plan.blocks(&Frame { response_start: prompt, first_mask: prompt, gen_length, pace: self.commit.pace() })
    }

    /// Positions of the canvas behind a prompt of this length: those of the response, and what its last block has beyond.
    pub fn response_on_canvas(&self, prompt: usize) -> usize {
        self.schedule.plan().response_on_canvas(prompt, self.gen_length)
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
        let plan = self.schedule.plan();
        if plan.steps() > MOST_STEPS {
            return Err(option("steps", format!("= {} is more than {MOST_STEPS}", plan.steps())));
        }
        plan.check(self)?;
        plan.check_model(spec)?;
        self.commit.check()?;
        self.check_numbers()?;
        if self.cfg_scale > 0.0 && self.cache != CacheMode::None {
            return Err(option(
                "cfg-scale",
                "cannot be combined with a cache: guidance needs two canvases, the cache holds one",
            ));
        }
        if self.cache == CacheMode::Block && plan.attention().is_none() {
            return Err(option(
                "cache",
                "block is exact only where no block sees a later one: with --sampler block-diffusion",
            ));
        }
        if matches!(self.end_rule, EndRule::EndsLast | EndRule::Both) && self.ends.eot.is_none() {
            return Err(option("confidence-eos-eot-inf", "needs an end-of-turn token, and the tokeniser has none"));
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
