//! Rotary position embedding, half-split layout (channel j is paired with channel j + d/2).

use crate::error::ModelError;
use crate::fused;
use crate::rope_config::{RopeConfig, RopePrecision};
use tch::{Kind, Tensor};

/// Cosines and signed sines for the positions of one pass, [1 or rows, positions, 1, rotated channels].
pub(crate) struct Rotation {
    cos: Tensor,
    /// sin with its first half negated: rotate_half(x) * sin = roll(x, d/2) * signed_sin.
    signed_sin: Tensor,
    half: i64,
    /// How many channels are rotated and how many pass, where not all are rotated.
    rest: Option<[i64; 2]>,
    full_precision: bool,
}

impl Rotation {
    /// For heads of this many channels. Angles are position * theta^(-2j/d) / factor, computed in f32 as published.
    pub(crate) fn new(
        config: &RopeConfig,
        channels: usize,
        positions: &Tensor,
        kind: Kind,
    ) -> Result<Self, ModelError> {
        let d = config.channels.unwrap_or(channels) as i64;
        let rest = (d < channels as i64).then_some([d, channels as i64 - d]);
        let exponent = Tensor::f_arange_start_step(0, d, 2, (Kind::Float, positions.device()))?.f_div_scalar(d)?;
        let mut inverse = Tensor::f_pow_scalar(config.theta, &exponent)?.f_reciprocal()?;
        if config.factor != 1.0 {
            inverse = inverse.f_div_scalar(config.factor)?;
        }
        let angles = positions.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?.f_mul(&inverse)?; // [b, t, d/2]
        let (cos, sin) = (angles.f_cos()?, angles.f_sin()?);
        let full_precision = config.precision == RopePrecision::Full;
        let table = |halves: [&Tensor; 2]| -> Result<Tensor, ModelError> {
            let full = Tensor::f_cat(&halves, -1)?.f_unsqueeze(2)?; // [b, t, 1, d]
            Ok(if full_precision { full } else { full.f_to_kind(kind)? })
        };
        Ok(Self {
            cos: table([&cos, &cos])?,
            signed_sin: table([&sin.f_neg()?, &sin])?,
            half: d / 2,
            rest,
            full_precision,
        })
    }

    /// The rotation of positions one behind the other; there is at least one part.
    pub(crate) fn joined(parts: &[Self]) -> Result<Self, ModelError> {
        let [first, ..] = parts else { return Err(ModelError::Call("a pass without rows".into())) };
        let join = |table: fn(&Self) -> &Tensor| Tensor::f_cat(&parts.iter().map(table).collect::<Vec<_>>(), 1);
        let (cos, signed_sin) = (join(|part| &part.cos)?, join(|part| &part.signed_sin)?);
        Ok(Self { cos, signed_sin, ..*first })
    }

    /// Rotates x [rows, positions, heads, channels].
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let Some(parts) = self.rest else { return self.rotate(x) };
        let parts = x.f_split_with_sizes(parts, -1)?;
        Ok(Tensor::f_cat(&[self.rotate(&parts[0])?, parts[1].shallow_clone()], -1)?)
    }

    /// The same up to rounding, in one go where that can be.
    pub(crate) fn in_one_go(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let all = self.rest.is_none() && self.cos.kind() == Kind::Float && self.cos.size()[0] == 1;
        if all && fused::takes(x) { fused::rotated(x, &self.cos, &self.signed_sin) } else { self.apply(x) }
    }

    /// The same of channels that are all rotated.
    fn rotate(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let kind = x.kind();
        let x = if self.full_precision { x.f_to_kind(Kind::Float)? } else { x.shallow_clone() };
        let rolled = x.f_roll(self.half, -1)?;
        Ok(x.f_mul(&self.cos)?.f_add(&rolled.f_mul(&self.signed_sin)?)?.f_to_kind(kind)?)
    }
}
