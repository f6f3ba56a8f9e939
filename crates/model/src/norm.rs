//! RMSNorm.

use crate::ModelError;
use tch::{Kind, Tensor};

/// x / sqrt(mean(x^2) + eps) in f32, cast back, then times the weight in the activation type (as published).
#[derive(Debug)]
pub(crate) struct RmsNorm {
    /// [channels].
    pub weight: Tensor,
    pub eps: f64,
}

impl RmsNorm {
    /// Over the last dimension of [.., channels].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let h = x.f_to_kind(Kind::Float)?;
        let scale = h.f_square()?.f_mean_dim(-1, true, Kind::Float)?.f_add_scalar(self.eps)?.f_rsqrt()?;
        Ok(h.f_mul(&scale)?.f_to_kind(x.kind())?.f_mul(&self.weight)?)
    }
}
