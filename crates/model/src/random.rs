//! Random weights for benchmarks: shapes and magnitudes of a trained model, nothing learned.

use crate::ModelError;
use mosa_core::{TokenId, sample_key};
use tch::{Device, Kind, Tensor};

/// Draws each tensor from its name and the seed alone.
pub(crate) struct RandomWeights {
    pub seed: u64,
    /// The head's row of the mask token is zero, so that it is never predicted.
    pub mask: TokenId,
    pub head: String,
    pub embed: String,
}

impl RandomWeights {
    /// Normal with standard deviation gain / sqrt(inputs); norms near 1; biases 0. libtorch's own generator, seeded
    /// per tensor: at 8 billion weights it has to run on the device.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize], kind: Kind, device: Device) -> Result<Tensor, ModelError> {
        let size: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        if name.ends_with(".bias") {
            return Ok(Tensor::f_zeros(&size, (kind, device))?);
        }
        if size.len() == 1 {
            return Ok(Tensor::f_ones(&size, (kind, device))?);
        }
        let is_head = name == self.head;
        let std = match name {
            _ if is_head => 4.0 / (shape[1] as f64).sqrt(),
            n if n == self.embed => 0.5,
            _ => 1.0 / (shape[1] as f64).sqrt(),
        };
        tch::manual_seed((self.seed ^ sample_key(name)) as i64);
        let tensor = Tensor::f_empty(&size, (kind, device))?.f_normal_(0.0, std)?;
        if is_head {
            let _ = tensor.f_narrow(0, i64::from(self.mask), 1)?.f_zero_()?;
        }
        Ok(tensor)
    }
}
