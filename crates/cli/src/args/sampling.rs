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
    /// Denoising steps; default: gen-length.
    #[arg(long, value_parser = within::<usize>(1, STEPS), value_name = "N")]
    pub steps: Option<usize>,
    /// Positions per block (block sampler); default: gen-length.
    #[arg(long, value_parser = within::<usize>(1, POSITIONS), value_name = "N")]
    pub block_length: Option<usize>,
    /// Which sampler; auto takes blocks for LLaDA and MMaDA, timesteps for Dream.
    #[arg(long, value_enum, default_value_t = SamplerName::Auto)]
    pub sampler: SamplerName,
    /// Sampling temperature; 0 takes the most likely token.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "T")]
    pub temperature: Option<f64>,
    /// Which positions are revealed first (block sampler).
    #[arg(long, value_enum, value_name = "NAME")]
    pub remasking: Option<RemaskingName>,
    /// Which positions are revealed first (Dream's sampler).
    #[arg(long, value_enum, value_name = "NAME")]
    pub alg: Option<AlgName>,
    /// Reveal every position at least this probable (Fast-dLLM).
    #[arg(long, value_parser = between(0.0, 1.0), value_name = "P", conflicts_with = "factor")]
    pub threshold: Option<f64>,
    /// Reveal positions by Fast-dLLM's rank-dependent bar.
    #[arg(long, value_parser = between(0.0, LARGEST), value_name = "F")]
    pub factor: Option<f64>,
    /// Keys and values kept between passes (Fast-dLLM; approximate).
    #[arg(long, value_enum, default_value_t = CacheName::None)]
    pub cache: CacheName,
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
}

/// Which positions LLaDA's sampler reveals first, by the names of its published code, and of policies it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum RemaskingName {
    LowConfidence,
    Random,
    Margin,
    Entropy,
    LeftToRight,
}

impl RemaskingName {
    /// The engine's policy.
    pub(crate) fn commit(self) -> Commit {
        match self {
            Self::LowConfidence => Commit::LowConfidence,
            Self::Random => Commit::Random,
            Self::Margin => Commit::Margin,
            Self::Entropy => Commit::Entropy,
            Self::LeftToRight => Commit::LeftToRight,
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BatchingName {
    #[default]
    Auto,
    Rows,
    Padded,
}
