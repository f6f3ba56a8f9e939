//! From sampling flags to engine options: the defaults of the model's family, then generation_config.json, then flags.

use crate::args::{AlgName, BatchingName, CacheName, RemaskingName, SamplerName, SamplingArgs};
use anyhow::{Context, Result, bail};
use mosa_core::{DefaultSampler, Family};
use mosa_engine::{Batching, CacheMode, Commit, EndRule, Ends, LARGEST, MaskRule, Options, RevealCount, Schedule};
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

impl SamplingArgs {
    /// Response positions.
    pub(crate) fn positions(&self) -> usize {
        self.gen_length.unwrap_or(128)
    }

    /// The same for targets of attacks: 256 positions and, where the sampler has blocks, blocks of 32.
    pub(crate) fn of_target(&self, family: Family) -> Self {
        let positions = self.gen_length.unwrap_or(256);
        let blocks = !self.is_timesteps(family) && positions.is_multiple_of(32);
        let block_length = self.block_length.or(blocks.then_some(32));
        Self { gen_length: Some(positions), block_length, ..self.clone() }
    }

    /// The same for the embedded world: 96 positions and, where the sampler has blocks, blocks of 32; answers stop at their
    /// end.
    pub(crate) fn of_world(&self, family: Family) -> Self {
        let block_length = self.block_length.or((!self.is_timesteps(family)).then_some(32));
        Self { gen_length: self.gen_length.or(Some(96)), block_length, eos_stop: true, ..self.clone() }
    }

    pub(crate) fn is_timesteps(&self, family: Family) -> bool {
        match self.sampler {
            SamplerName::Auto => family.sampler == DefaultSampler::Timesteps,
            SamplerName::Blocks => false,
            SamplerName::Timesteps => true,
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

    /// The engine's options.
    pub(crate) fn options(&self, family: Family, ends: Ends, shipped: &Shipped) -> Result<Options> {
        let mut options = if self.is_timesteps(family) { self.timesteps(ends, shipped)? } else { self.blocks(ends)? };
        options.gen_length = self.positions();
        options.cfg_scale = self.cfg_scale;
        options.end_rule = match (self.logits_eos_inf, self.confidence_eos_eot_inf) {
            (false, false) => EndRule::Free,
            (true, false) => EndRule::NeverEos,
            (false, true) => EndRule::EndsLast,
            (true, true) => EndRule::Both,
        };
        options.mask_rule = if self.allow_mask { MaskRule::Allow } else { MaskRule::Suppress };
        options.cache = match self.cache {
            CacheName::None => CacheMode::None,
            CacheName::Prefix => CacheMode::Prefix,
            CacheName::Dual => CacheMode::Dual,
        };
        options.stop_at_end = self.eos_stop;
        options.seed = self.seed;
        Ok(options)
    }

    fn blocks(&self, ends: Ends) -> Result<Options> {
        for (given, flag) in [(self.alg.is_some(), "--alg"), (self.eps.is_some(), "--eps")] {
            if given {
                bail!("{flag} belongs to Dream's sampler; the block sampler has --remasking");
            }
        }
        let commit = match (self.threshold, self.factor, self.remasking) {
            (None, None, name) => name.map_or(Commit::LowConfidence, RemaskingName::commit),
            (_, _, Some(_)) => {
                bail!("--remasking cannot be combined with --threshold or --factor, which rank by confidence")
            }
            (Some(t), _, None) => Commit::Threshold(t),
            (None, Some(f), None) => Commit::Factor(f),
        };
        Ok(Options {
            schedule: Schedule::Blocks {
                steps: self.steps.unwrap_or(self.positions()),
                block_length: self.block_length.unwrap_or(self.positions()),
            },
            commit,
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p,
            top_k: self.top_k,
            rank_temperature: self.alg_temp,
            ..Options::llada(ends)
        })
    }

    fn timesteps(&self, ends: Ends, shipped: &Shipped) -> Result<Options> {
        for (given, flag) in [
            (self.remasking.is_some(), "--remasking"),
            (self.block_length.is_some(), "--block-length"),
            (self.threshold.is_some(), "--threshold"),
            (self.factor.is_some(), "--factor"),
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
