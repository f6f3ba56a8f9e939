//! Random weights: for benchmarks, and as the start of a training from nothing.

use crate::ModelError;
use crate::names::Names;
use mosa_core::{Rng, Stream, TokenId, sample_key};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

/// What the weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Magnitudes of a trained model, nothing learned; drawn by libtorch on the device, which 8 billion weights need.
    Benchmark,
    /// Magnitudes to start learning from; drawn from the counter-based generator, so that they never change.
    Training,
}

/// Draws each tensor from its name and the seed alone.
pub(crate) struct RandomWeights {
    pub seed: u64,
    pub purpose: Purpose,
    /// The head's row of the mask token is zero in a benchmark, so that it is never predicted.
    pub mask: TokenId,
    pub names: Names,
    /// Leaves that write to the residual stream.
    pub residual: BTreeSet<&'static str>,
    pub layers: usize,
}

impl RandomWeights {
    /// Normal with standard deviation gain / sqrt(inputs); norms 1; biases 0.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize], kind: Kind, device: Device) -> Result<Tensor, ModelError> {
        let size: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        if name.ends_with(".bias") {
            return Ok(Tensor::f_zeros(&size, (kind, device))?);
        }
        if size.len() == 1 {
            return Ok(Tensor::f_ones(&size, (kind, device))?);
        }
        let std = self.deviation(name, shape[1]);
        if self.purpose == Purpose::Training {
            let mut rng = Rng::at(self.seed, Stream::ModelInit, 0, sample_key(name));
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| (rng.normal() * std) as f32).collect();
            return Ok(Tensor::f_from_slice(&values)?.f_view(&size[..])?.f_to_device(device)?.f_to_kind(kind)?);
        }
        tch::manual_seed((self.seed ^ sample_key(name)) as i64);
        let tensor = Tensor::f_empty(&size, (kind, device))?.f_normal_(0.0, std)?;
        if module_of(name) == self.names.head {
            let _ = tensor.f_narrow(0, i64::from(self.mask), 1)?.f_zero_()?;
        }
        Ok(tensor)
    }

    fn deviation(&self, name: &str, inputs: usize) -> f64 {
        let unit = 1.0 / (inputs as f64).sqrt();
        let module = module_of(name);
        match self.purpose {
            Purpose::Benchmark if module == self.names.head => 4.0 * unit,
            Purpose::Benchmark if module == self.names.embed => 0.5,
            Purpose::Benchmark => unit,
            Purpose::Training if module == self.names.head => 0.02,
            Purpose::Training if module == self.names.embed => 0.1,
            Purpose::Training if self.writes_to_residual(module) => unit / (2.0 * self.layers as f64).sqrt(),
            Purpose::Training => unit,
        }
    }

    fn writes_to_residual(&self, module: &str) -> bool {
        self.residual.iter().any(|leaf| module.strip_suffix(leaf).is_some_and(|front| front.ends_with('.')))
    }
}

/// The module whose weight this is.
fn module_of(name: &str) -> &str {
    name.strip_suffix(".weight").unwrap_or(name)
}
