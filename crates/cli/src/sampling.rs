//! From sampling flags to engine options: the defaults of the model's family, then generation_config.json, then flags.

use crate::args::{AlgName, Bars, BatchingName, CacheName, RemaskingName, SamplerName, SamplingArgs};
use crate::load::Loaded;
use anyhow::{Context, Result, bail};
use mosa_core::{DefaultSampler, Family};
use mosa_engine::{
    Batching, BlockQuota, CacheMode, Commit, Editing, EndRule, Ends, LARGEST, MaskRule, Options, RevealCount, Schedule,
};
use mosa_model::{Attention, ModelSpec};
use serde::Deserialize;
use std::path::Path;
use tch::Device;

/// The part of generation_config.json that Dream's sampler reads.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shipped {
    alg: Option<String>,
    alg_temp: Option<f64>,
    eps: Option<f64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<usize>,
}

impl Shipped {
    /// Reads the file of a checkpoint folder, if there is one.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("generation_config.json");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let read: Self =
            serde_json::from_str(&text).with_context(|| format!("{}: not a generation config", path.display()))?;
        for (key, value, most) in [
            ("temperature", read.temperature, LARGEST),
            ("alg_temp", read.alg_temp, LARGEST),
            ("top_p", read.top_p, 1.0),
            ("eps", read.eps, 1.0),
        ] {
            if let Some(value) = value.filter(|value| !(0.0..=most).contains(value)) {
                bail!("{}: `{key}` = {value} is not in 0..={most}", path.display());
            }
        }
        Ok(read)
    }
}

/// The bound of `entropy_bounded` in the published code.
const ENTROPY_BOUND: f64 = 0.35;
/// The probability of `low_confidence_dynamic` where the family does not name one.
const CONFIDENCE: f64 = 0.85;
/// Steps behind the last mask of a block, in LLaDA2.1's published code.
const POST_STEPS: usize = 16;

impl SamplingArgs {
    /// Response positions.
    pub(crate) fn positions(&self) -> usize {
        self.gen_length.unwrap_or(128)
    }

    /// The same for targets of attacks: 256 positions and, where blocks are the sampler's choice, blocks of 32.
    pub(crate) fn of_target(&self, family: Family) -> Self {
        let positions = self.gen_length.unwrap_or(256);
        Self { gen_length: Some(positions), ..self.clone() }.in_blocks(family)
    }

    /// The same in blocks of 32, where blocks are the sampler's choice and fit.
    pub(crate) fn in_blocks(&self, family: Family) -> Self {
        let blocks = self.sampler_for(family) == SamplerName::Blocks && self.positions().is_multiple_of(32);
        Self { block_length: self.block_length.or(blocks.then_some(32)), ..self.clone() }
    }

    /// The same for the embedded world: 96 positions and, where blocks are the sampler's choice, blocks of 32; answers stop at
    /// their end.
    pub(crate) fn of_world(&self, family: Family) -> Self {
        let blocks = self.sampler_for(family) == SamplerName::Blocks;
        let block_length = self.block_length.or(blocks.then_some(32));
        Self { gen_length: self.gen_length.or(Some(96)), block_length, eos_stop: true, ..self.clone() }
    }

    /// The sampler that is meant.
    pub(crate) fn sampler_for(&self, family: Family) -> SamplerName {
        match (self.sampler, family.sampler) {
            (SamplerName::Auto, DefaultSampler::Blocks) => SamplerName::Blocks,
            (SamplerName::Auto, DefaultSampler::Timesteps) => SamplerName::Timesteps,
            (SamplerName::Auto, DefaultSampler::BlockDiffusion { .. }) => SamplerName::BlockDiffusion,
            (named, _) => named,
        }
    }

    /// How rows share passes on a device.
    pub(crate) fn batching(&self, device: Device) -> Batching {
        match self.batching {
            BatchingName::Auto => Batching::default_for(device),
            BatchingName::Rows => Batching::Rows,
            BatchingName::Padded => Batching::SHARED,
        }
    }

    /// The engine's options for a model.
    pub(crate) fn options(&self, spec: &ModelSpec, ends: Ends, shipped: &Shipped) -> Result<Options> {
        let mut options = match self.sampler_for(spec.family) {
            SamplerName::Timesteps => self.timesteps(ends, shipped)?,
            SamplerName::BlockDiffusion => self.block_diffusion(spec, ends)?,
            SamplerName::Blocks | SamplerName::Auto => self.blocks(ends)?,
        };
        options.gen_length = self.positions();
        options.cfg_scale = self.cfg_scale;
        options.end_rule = match (self.logits_eos_inf, self.confidence_eos_eot_inf) {
            (false, false) => EndRule::Free,
            (true, false) => EndRule::NeverEos,
            (false, true) => EndRule::EndsLast,
            (true, true) => EndRule::Both,
        };
        options.mask_rule = if self.allow_mask { MaskRule::Allow } else { MaskRule::Suppress };
        if let Some(cache) = self.cache {
            options.cache = match cache {
                CacheName::None => CacheMode::None,
                CacheName::Prefix => CacheMode::Prefix,
                CacheName::Dual => CacheMode::Dual,
                CacheName::Block => CacheMode::Block,
            };
        }
        options.stop_at_end = self.eos_stop;
        options.seed = self.seed;
        Ok(options)
    }

    /// The commit policy of samplers with blocks, `usual` where no flag says anything.
    fn commit(&self, bars: Bars, usual: Commit) -> Result<Commit> {
        let numbers = self.threshold.is_some() || self.factor.is_some();
        Ok(match (self.remasking, self.factor) {
            (Some(name @ RemaskingName::LowConfidenceDynamic), None) => name.commit(bars),
            (Some(_), _) if numbers => bail!(
                "--remasking cannot be combined with --threshold or --factor, which rank by confidence; only \
                 low_confidence_dynamic takes a threshold"
            ),
            (name, _) if self.eb_threshold.is_some() && !matches!(name, None | Some(RemaskingName::EntropyBounded)) => {
                bail!("--eb-threshold belongs to --remasking entropy_bounded")
            }
            (Some(name), _) => name.commit(bars),
            (None, _) if self.eb_threshold.is_some() && numbers => {
                bail!("--eb-threshold cannot be combined with --threshold or --factor")
            }
            (None, _) if self.eb_threshold.is_some() => RemaskingName::EntropyBounded.commit(bars),
            (None, Some(f)) => Commit::Factor(f),
            (None, None) => usual,
        })
    }

    fn blocks(&self, ends: Ends) -> Result<Options> {
        self.refuse_flags_of_dream("the block sampler")?;
        for (given, flag) in [
            (self.editing_threshold.is_some(), "--editing-threshold"),
            (self.num_to_transfer.is_some(), "--num-to-transfer"),
        ] {
            if given {
                bail!("{flag} belongs to block diffusion (--sampler block-diffusion), whose blocks it works in");
            }
        }
        let bars = Bars {
            threshold: self.threshold.unwrap_or(CONFIDENCE),
            entropy: self.eb_threshold.unwrap_or(ENTROPY_BOUND),
        };
        let usual = self.threshold.map_or(Commit::LowConfidence, Commit::Threshold);
        Ok(Options {
            schedule: Schedule::Blocks {
                steps: self.steps.unwrap_or(self.positions()),
                block_length: self.block_length.unwrap_or(self.positions()),
            },
            commit: self.commit(bars, usual)?,
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p,
            top_k: self.top_k,
            rank_temperature: self.alg_temp,
            ..Options::llada(ends)
        })
    }

    fn block_diffusion(&self, spec: &ModelSpec, ends: Ends) -> Result<Options> {
        self.refuse_flags_of_dream("block diffusion")?;
        let block_length = match (self.block_length, spec.attention) {
            (Some(length), _) => length,
            (None, Attention::BlockCausal { block }) => block,
            (None, _) => bail!("block diffusion needs a model with blocks, and this {} model has none", spec.family),
        };
        let usual = match spec.family.sampler {
            DefaultSampler::BlockDiffusion { threshold_percent } => f64::from(threshold_percent) / 100.0,
            _ => CONFIDENCE,
        };
        let bars =
            Bars { threshold: self.threshold.unwrap_or(usual), entropy: self.eb_threshold.unwrap_or(ENTROPY_BOUND) };
        let editing = self
            .editing_threshold
            .map(|threshold| Editing { threshold, max_post_steps: self.max_post_steps.unwrap_or(POST_STEPS) });
        let quota = match (self.steps, self.num_to_transfer, editing) {
            (Some(_), _, Some(_)) => {
                bail!(
                    "--steps is not used with --editing-threshold: LLaDA2.1 reveals --num-to-transfer positions per step"
                )
            }
            (_, Some(n), _) => BlockQuota::PerStep(n),
            (None, None, Some(_)) => BlockQuota::PerStep(1),
            (steps, None, None) => BlockQuota::Steps(steps.unwrap_or(block_length)),
        };
        Ok(Options {
            schedule: Schedule::BlockDiffusion { block_length, quota, editing },
            commit: self.commit(bars, Commit::Dynamic(bars.threshold))?,
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p,
            top_k: self.top_k,
            rank_temperature: self.alg_temp,
            ..Options::block_diffusion(ends, block_length)
        })
    }

    fn refuse_flags_of_dream(&self, sampler: &str) -> Result<()> {
        for (given, flag) in [(self.alg.is_some(), "--alg"), (self.eps.is_some(), "--eps")] {
            if given {
                bail!("{flag} belongs to Dream's sampler; {sampler} has --remasking");
            }
        }
        Ok(())
    }

    fn timesteps(&self, ends: Ends, shipped: &Shipped) -> Result<Options> {
        for (given, flag) in [
            (self.remasking.is_some(), "--remasking"),
            (self.block_length.is_some(), "--block-length"),
            (self.threshold.is_some(), "--threshold"),
            (self.factor.is_some(), "--factor"),
            (self.eb_threshold.is_some(), "--eb-threshold"),
            (self.editing_threshold.is_some(), "--editing-threshold"),
            (self.num_to_transfer.is_some(), "--num-to-transfer"),
        ] {
            if given {
                bail!("{flag} belongs to the block sampler; use --sampler blocks, or --alg for Dream's sampler");
            }
        }
        let commit = match (self.alg, shipped.alg.as_deref()) {
            (Some(alg), _) => alg.commit(),
            (None, Some(name)) => commit_by_name(name)?,
            (None, None) => AlgName::Origin.commit(),
        };
        let eps = self.eps.or(shipped.eps).unwrap_or(1e-3);
        Ok(Options {
            schedule: Schedule::Timesteps {
                steps: self.steps.unwrap_or(self.positions()),
                eps,
                count: RevealCount::PerRow,
            },
            commit,
            temperature: self.temperature.or(shipped.temperature).unwrap_or(0.0),
            top_p: self.top_p.or(shipped.top_p),
            top_k: self.top_k.or(shipped.top_k),
            rank_temperature: self.alg_temp.or(shipped.alg_temp),
            ..Options::dream(ends)
        })
    }
}

fn commit_by_name(name: &str) -> Result<Commit> {
    Commit::by_name(name)
        .with_context(|| format!("`{name}` is not a way to choose positions (alg in generation_config.json?)"))
}

impl Loaded {
    /// The engine's options for this model, checked: its family's defaults, what the checkpoint ships, the flags.
    pub(crate) fn options(&self, sampling: &SamplingArgs) -> Result<Options> {
        let mut options = sampling.options(self.spec(), self.ends(), &Shipped::read(&self.dir)?)?;
        if !options.block_stops.is_empty() {
            options.block_stops = self.text.special.ends();
        }
        options.check(self.spec())?;
        Ok(options)
    }
}
