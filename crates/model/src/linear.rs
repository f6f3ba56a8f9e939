//! A frozen linear layer with an optional LoRA branch.

use crate::error::ModelError;
use crate::lora::Adapter;
use std::cell::OnceCell;
use tch::{Device, Kind, Tensor};

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(crate) struct Linear {
    /// [out, in].
    pub weight: Tensor,
    /// [out].
    pub bias: Option<Tensor>,
    /// Its index among the linear layers of the model, by which an adapter knows it. An output layer that is the embedding
    /// has none.
    pub slot: Option<usize>,
}

/// What one or several linear layers are given: activations [.., in], and the adapter they are used with.
pub(crate) struct Input<'a> {
    x: &'a Tensor,
    adapter: Option<&'a Adapter>,
    /// The activations in the adapter's type, made once for all layers.
    converted: OnceCell<Tensor>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(x: &'a Tensor, adapter: Option<&'a Adapter>) -> Self {
        Self { x, adapter, converted: OnceCell::new() }
    }

    fn in_kind(&self, kind: Kind) -> Result<Tensor, ModelError> {
        if let Some(x) = self.converted.get().filter(|x| x.kind() == kind) {
            return Ok(x.shallow_clone());
        }
        let x = self.x.f_to_kind(kind)?;
        // All factors of an adapter are of one type.
        let _ = self.converted.set(x.shallow_clone());
        Ok(x)
    }
}

/// From this many multiply-adds on, oneDNN beats the BLAS of libtorch in f32 by more than it costs to call.
const ONEDNN_FROM: i64 = 8 << 20;

impl Linear {
    /// [.., in] -> [.., out]; where the adapter has factors for it, plus scale * B A x computed in the adapter's type.
    pub(crate) fn forward(&self, input: &Input<'_>) -> Result<Tensor, ModelError> {
        let x = input.x;
        let y = if self.prefers_onednn(x) { self.onednn(x)? } else { x.f_linear(&self.weight, self.bias.as_ref())? };
        let pair = input.adapter.zip(self.slot).and_then(|(adapter, slot)| adapter.pair(slot));
        let Some(pair) = pair else { return Ok(y) };
        let down = input.in_kind(pair.a.kind())?.f_linear::<&Tensor>(&pair.a, None)?;
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
