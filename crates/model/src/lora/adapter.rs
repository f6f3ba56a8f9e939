//! A LoRA adapter in memory.

use super::config::AdapterConfig;
use crate::broken::first_broken;
use crate::{LinearSpec, Memory, ModelError, ModelSpec};
use mosa_core::{Rng, Stream};
use tch::{Device, Kind, Tensor};

/// The two factors of one layer: W x + scale * B A x.
#[derive(Debug)]
pub struct LoraPair {
    /// [r, in], f32.
    pub a: Tensor,
    /// [out, r], f32.
    pub b: Tensor,
    /// alpha / r, or alpha / sqrt(r) with rsLoRA.
    pub scale: f64,
}

impl LoraPair {
    /// weight + scale * B A, in the weight's type.
    pub(crate) fn merged(&self, weight: &Tensor) -> Result<Tensor, ModelError> {
        let delta = self.b.f_matmul(&self.a)?.f_mul_scalar(self.scale)?;
        Ok(weight.f_add(&delta.f_to_kind(weight.kind())?.f_to_device(weight.device())?)?)
    }
}

/// Factors for some of a model's linear layers.
#[derive(Debug)]
pub struct Adapter {
    /// How it was configured.
    pub config: AdapterConfig,
    linears: Vec<LinearSpec>,
    pairs: Vec<Option<LoraPair>>,
    notes: Vec<String>,
}

impl Adapter {
    /// A fresh adapter that changes nothing yet: A uniform in ±1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt 5),
    /// B zero.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] if a target matches nothing.
    pub fn init(config: AdapterConfig, spec: &ModelSpec, seed: u64, device: Device) -> Result<Self, ModelError> {
        let mut pairs: Vec<Option<LoraPair>> = spec.linears.iter().map(|_| None).collect();
        let adapted = config.targets.select(&spec.linears, config.exclude.as_ref())?;
        let sizes = config.sizes()?;
        let mut bytes = 0u64;
        for &index in &adapted {
            let linear = &spec.linears[index];
            let weights = (linear.inputs + linear.outputs) as u64;
            bytes = bytes.saturating_add((sizes.rank(&linear.name) as u64).saturating_mul(4 * weights));
        }
        Memory::check(&format!("an adapter of rank {}", config.rank), bytes)?;
        for index in adapted {
            let linear = &spec.linears[index];
            let (rank, scale) = (sizes.rank(&linear.name), sizes.scale(&linear.name));
            let bound = 1.0 / (linear.inputs as f64).sqrt();
            let mut rng = Rng::at(seed, Stream::LoraInit, 0, index as u64);
            let a: Vec<f32> = (0..rank * linear.inputs).map(|_| ((2.0 * rng.unit() - 1.0) * bound) as f32).collect();
            let a = Tensor::f_from_slice(&a)?.f_view([rank as i64, linear.inputs as i64])?.f_to_device(device)?;
            let b = Tensor::f_zeros([linear.outputs as i64, rank as i64], (Kind::Float, device))?;
            pairs[index] = Some(LoraPair { a, b, scale });
        }
        drop(sizes);
        Ok(Self { config, linears: spec.linears.clone(), pairs, notes: Vec::new() })
    }

    pub(crate) fn from_pairs(
        config: AdapterConfig,
        spec: &ModelSpec,
        pairs: Vec<Option<LoraPair>>,
        notes: Vec<String>,
    ) -> Self {
        Self { config, linears: spec.linears.clone(), pairs, notes }
    }

    /// What a user should know about how this adapter was loaded, for example names of its config that match nothing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The factors of the layer with this index, if it is adapted.
    pub fn pair(&self, index: usize) -> Option<&LoraPair> {
        self.pairs.get(index)?.as_ref()
    }

    /// All adapted layers in order.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, &LoraPair)> {
        self.pairs.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?)))
    }

    /// The tensors by PEFT's names, A before B, in layer order.
    pub fn tensors(&self) -> Vec<(String, &Tensor)> {
        self.pairs()
            .flat_map(|(i, pair)| {
                let name = |s| format!("base_model.model.{}.lora_{s}.weight", self.linears[i].name);
                [(name("A"), &pair.a), (name("B"), &pair.b)]
            })
            .collect()
    }

    /// The first tensor that holds NaN or infinity, by PEFT's name.
    pub fn broken_weight(&self) -> Option<String> {
        first_broken(self.tensors())
    }

    /// Makes all tensors trainable leaves, or freezes them.
    pub fn set_trainable(&mut self, trainable: bool) {
        for pair in self.pairs.iter_mut().flatten() {
            for tensor in [&mut pair.a, &mut pair.b] {
                *tensor = tensor.detach().set_requires_grad(trainable);
            }
        }
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.pairs().map(|(_, p)| p.a.numel() + p.b.numel()).sum()
    }

    /// Refuses a model whose layers are not the ones this adapter was made for.
    pub(crate) fn check_fits(&self, spec: &ModelSpec) -> Result<(), ModelError> {
        if self.linears.len() == spec.linears.len()
            && self.linears.first() == spec.linears.first()
            && self.linears.last() == spec.linears.last()
        {
            return Ok(());
        }
        Err(ModelError::Adapter("the adapter was loaded for another model".into()))
    }
}
