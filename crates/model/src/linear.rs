//! A frozen linear layer with an optional LoRA branch.

use crate::error::ModelError;
use crate::lora::LoraPair;
use tch::{Device, Kind, Tensor};

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(crate) struct Linear {
    /// [out, in].
    pub weight: Tensor,
    /// [out].
    pub bias: Option<Tensor>,
}

/// From this many multiply-adds on, oneDNN beats the BLAS of libtorch in f32 by more than it costs to call.
const ONEDNN_FROM: i64 = 8 << 20;

impl Linear {
    /// x [.., in] -> [.., out]; with an adapter pair, plus scale * B A x computed in the adapter's type.
    pub(crate) fn forward(&self, x: &Tensor, lora: Option<&LoraPair>) -> Result<Tensor, ModelError> {
        let y = if self.prefers_onednn(x) { self.onednn(x)? } else { x.f_linear(&self.weight, self.bias.as_ref())? };
        let Some(pair) = lora else { return Ok(y) };
        let down = x.f_to_kind(pair.a.kind())?.f_linear::<&Tensor>(&pair.a, None)?;
        let up = down.f_linear::<&Tensor>(&pair.b, None)?.f_mul_scalar(pair.scale)?;
        Ok(y.f_add(&up.f_to_kind(y.kind())?)?)
    }

    /// Only for large f32 products on the CPU outside of training. Depends on shapes alone, never on timing.
    fn prefers_onednn(&self, x: &Tensor) -> bool {
        x.kind() == Kind::Float
            && x.device() == Device::Cpu
            && !x.requires_grad()
            && x.numel() as i64 * self.weight.size()[0] >= ONEDNN_FROM
            && tch::utils::has_mkldnn()
    }

    fn onednn(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let y = x.f_contiguous()?.f_to_mkldnn(Kind::Float)?.f_mkldnn_linear(&self.weight, self.bias.as_ref())?;
        Ok(y.f_to_dense(Kind::Float, false)?)
    }
}
