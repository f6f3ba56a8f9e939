//! The sampler, as every command that decodes takes it.

use super::limits::{LARGEST, POSITIONS, STEPS, between, within};
use clap::{Args as ClapArgs, ValueEnum};
use mosa_engine::Commit;
use serde::Serialize;

/// Settings of the sampler. Defaults are the published ones of the model's family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Sampling", allow_negative_numbers = true)]
pub(crate) struct SamplingArgs {
    /// Response positions; default: 128.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N")]
    pub gen_length: Option<usize>,
    /// Denoising steps; default: gen-length. With block diffusion the steps of a block; default: its length.
    #[arg(long, value_parser = within::<usize>(1, STEPS), value_name = "N")]
    pub steps: Option<usize>,
    /// Positions per block; default: gen-length, with block diffusion the model's own.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N")]
    pub block_length: Option<usize>,
    /// Which sampler; auto takes the one the model was published with: blocks for LLaDA and MMaDA, timesteps for Dream,
    /// block-diffusion for SDAR and LLaDA2.
    #[arg(long, value_enum, default_value_t = SamplerName::Auto)]
    pub sampler: SamplerName,
    /// Sampling temperature; 0 takes the most likely token.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "T")]
    pub temperature: Option<f64>,
    /// Which positions are revealed first (not Dream's sampler).
    #[arg(long, value_enum, value_name = "NAME")]
    pub remasking: Option<RemaskingName>,
    /// Which positions are revealed first (Dream's sampler).
    #[arg(long, value_enum, value_name = "NAME")]
    pub alg: Option<AlgName>,
    /// Reveal every position at least this probable (Fast-dLLM); with block diffusion every one above it, and never fewer than
    /// the step's share (default there: 0.85 for SDAR, 0.95 for LLaDA2).
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "P", conflicts_with = "factor")]
    pub threshold: Option<f64>,
    /// Reveal positions by Fast-dLLM's rank-dependent bar.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "F")]
    pub factor: Option<f64>,
    /// With entropy_bounded: reveal lowest entropies while their sum stays below this many nats; default: 0.35.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "NATS")]
    pub eb_threshold: Option<f64>,
    /// LLaDA2.1: replace revealed tokens of the current block where another has a probability above this; 1 replaces none.
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "P")]
    pub editing_threshold: Option<f64>,
    /// LLaDA2.1: most steps behind the last mask of a block; default: 16.
    #[arg(long, value_parser = within::<usize>(0, STEPS), value_name = "N", requires = "editing_threshold")]
    pub max_post_steps: Option<usize>,
    /// LLaDA2.1: positions revealed per step at least, instead of a number of steps; default: 1 with --editing-threshold.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N", conflicts_with = "steps")]
    pub num_to_transfer: Option<usize>,
    /// Keys and values kept between passes: prefix and dual are Fast-dLLM's (approximate); block is exact, and the default
    /// of block diffusion.
    #[arg(long, value_enum, value_name = "KIND")]
    pub cache: Option<CacheName>,
    /// Classifier-free guidance; 0 is off.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "S", default_value_t = 0.0)]
    pub cfg_scale: f64,
    /// End of Dream's time grid.
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "E")]
    pub eps: Option<f64>,
    /// Randomise the order of positions (Dream).
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "T")]
    pub alg_temp: Option<f64>,
    /// Nucleus sampling (Dream).
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "P")]
    pub top_p: Option<f64>,
    /// Keep the k most likely tokens (Dream).
    #[arg(long, value_parser = within::<usize>(1, u32::MAX.into()), value_name = "K")]
    pub top_k: Option<usize>,
    /// Never choose the end-of-text token.
    #[arg(long)]
    pub logits_eos_inf: bool,
    /// Reveal end tokens last.
    #[arg(long)]
    pub confidence_eos_eot_inf: bool,
    /// Let the model reveal the mask token, as the published code does.
    #[arg(long)]
    pub allow_mask: bool,
    /// Stop a row as soon as its answer can no longer change: same text, less work.
    #[arg(long)]
    pub eos_stop: bool,
    /// rows: each row in a pass of its own, independent of the batch; padded: one pass for all, faster on a GPU; auto: rows
    /// on the CPU, padded elsewhere.
    #[arg(long, value_enum, default_value_t = BatchingName::Auto)]
    pub batching: BatchingName,
    /// Seed of every random draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SamplerName {
    #[default]
    Auto,
    Blocks,
    Timesteps,
    BlockDiffusion,
}

/// Which positions are revealed first, by the names of LLaDA's and SDAR's published code, and of policies they have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum RemaskingName {
    LowConfidence,
    Random,
    Margin,
    Entropy,
    LeftToRight,
    Sequential,
    LowConfidenceStatic,
    LowConfidenceDynamic,
    EntropyBounded,
}

/// The numbers that some policies need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bars {
    /// Probability above which a position is revealed in any case.
    pub threshold: f64,
    /// Sum of entropies in nats.
    pub entropy: f64,
}

impl RemaskingName {
    /// The engine's policy.
    pub(crate) fn commit(self, bars: Bars) -> Commit {
        match self {
            Self::LowConfidence | Self::LowConfidenceStatic => Commit::LowConfidence,
            Self::Random => Commit::Random,
            Self::Margin => Commit::Margin,
            Self::Entropy => Commit::Entropy,
            Self::LeftToRight | Self::Sequential => Commit::LeftToRight,
            Self::LowConfidenceDynamic => Commit::Dynamic(bars.threshold),
            Self::EntropyBounded => Commit::EntropyBounded(bars.entropy),
        }
    }
}

/// Which positions Dream's sampler reveals first, by the names of its published code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum AlgName {
    Origin,
    MaskgitPlus,
    TopkMargin,
    Entropy,
}

impl AlgName {
    /// The engine's policy.
    pub(crate) fn commit(self) -> Commit {
        match self {
            Self::Origin => Commit::Origin,
            Self::MaskgitPlus => Commit::LowConfidence,
            Self::TopkMargin => Commit::Margin,
            Self::Entropy => Commit::Entropy,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CacheName {
    #[default]
    None,
    Prefix,
    Dual,
    Block,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BatchingName {
    #[default]
    Auto,
    Rows,
    Padded,
}
