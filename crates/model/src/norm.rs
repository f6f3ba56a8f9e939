//! RMSNorm.

use crate::{ModelError, fused};
use tch::{Kind, Tensor};

/// x / sqrt(mean(x^2) + eps) in f32, cast back, then times the weight in the activation type (as published).
#[derive(Debug)]
pub(crate) struct RmsNorm {
    /// [channels].
    pub weight: Tensor,
    pub eps: f64,
}

impl RmsNorm {
    /// The same in one go, up to rounding, where that can be.
    pub(crate) fn in_one_go(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let fits = fused::takes(x) && self.weight.kind() == Kind::Float && !self.weight.requires_grad();
        if fits { fused::rms_norm(x, &self.weight, self.eps) } else { self.forward(x) }
    }

    /// Over the last dimension of [.., channels].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let h = x.f_to_kind(Kind::Float)?;
        let scale = h.f_square()?.f_mean_dim(-1, true, Kind::Float)?.f_add_scalar(self.eps)?.f_rsqrt()?;
        Ok(h.f_mul(&scale)?.f_to_kind(x.kind())?.f_mul(&self.weight)?)
    }
}
