//! Rows of different length as one padded tensor.

use crate::{CacheUse, Call, ModelError, ModelSpec};
use mosa_core::TokenId;
use tch::{Device, Kind, Tensor};

/// The lowest finite bf16, finite in f32 too.
const LOWEST_BF16: f32 = -3.389_531_4e38;

/// Left-padded rows.
pub(crate) struct Batch {
    /// [rows, width] token ids.
    pub ids: Tensor,
    /// Padding tokens in front of each row.
    pub padding: Vec<usize>,
    /// Number of rows.
    pub rows: usize,
    /// Columns.
    pub width: usize,
    /// Canvas position of the first column.
    pub start: usize,
}

impl Batch {
    /// Checks the call and pads its rows.
    pub(crate) fn new(call: &Call<'_>, spec: &ModelSpec, device: Device) -> Result<Self, ModelError> {
        let rows = call.rows;
        let width = rows.iter().map(|r| r.len()).max().unwrap_or(0);
        if rows.iter().any(|r| r.is_empty()) || width == 0 {
            return Err(ModelError::Call("a batch needs at least one row, and every row at least one token".into()));
        }
        let start = match &call.cache {
            CacheUse::Read { start, .. } => *start,
            _ => 0,
        };
        if start + width > spec.max_length {
            return Err(ModelError::Call(format!(
                "{} tokens do not fit into the model's context of {}",
                start + width,
                spec.max_length
            )));
        }
        if let Some(bad) = rows.iter().flat_map(|r| r.iter()).find(|&&t| t as usize >= spec.vocab) {
            return Err(ModelError::Call(format!("token {bad} is outside the vocabulary of {}", spec.vocab)));
        }
        let padding: Vec<usize> = rows.iter().map(|r| width - r.len()).collect();
        if !matches!(call.cache, CacheUse::None) && padding.iter().any(|&p| p > 0) {
            return Err(ModelError::Call("rows that share a cache must have the same length".into()));
        }
        let mut flat: Vec<i64> = Vec::with_capacity(rows.len() * width);
        for (row, &pad) in rows.iter().zip(&padding) {
            flat.extend(std::iter::repeat_n(i64::from(spec.pad), pad));
            flat.extend(row.iter().map(|&t: &TokenId| i64::from(t)));
        }
        let ids = Tensor::f_from_slice(&flat)?.f_view([rows.len() as i64, width as i64])?.f_to_device(device)?;
        Ok(Self { ids, padding, rows: rows.len(), width, start })
    }

    /// Whether any row is padded.
    pub(crate) fn padded(&self) -> bool {
        self.padding.iter().any(|&p| p > 0)
    }

    /// Rotation positions, [1 or rows, width]. Padding in front of a row either counts (LLaDA) or not (Dream, where
    /// padded positions get 1).
    pub(crate) fn positions(&self, skip_padding: bool) -> Result<Tensor, ModelError> {
        if !(skip_padding && self.padded()) {
            let from = self.start as i64;
            return Ok(Tensor::f_arange_start(from, from + self.width as i64, (Kind::Int64, self.ids.device()))?
                .f_unsqueeze(0)?);
        }
        let flat: Vec<i64> = self
            .padding
            .iter()
            .flat_map(|&pad| (0..self.width).map(move |i| if i < pad { 1 } else { (i - pad) as i64 }))
            .collect();
        Ok(Tensor::f_from_slice(&flat)?
            .f_view([self.rows as i64, self.width as i64])?
            .f_to_device(self.ids.device())?)
    }

    /// Additive attention bias [rows, 1, 1, width] that hides padded keys; `None` without padding. The lowest finite
    /// value instead of -inf, so that a fully masked query stays finite.
    pub(crate) fn bias(&self, kind: Kind) -> Result<Option<Tensor>, ModelError> {
        if !self.padded() {
            return Ok(None);
        }
        let low: f32 = if kind == Kind::Half { -65504.0 } else { LOWEST_BF16 };
        let flat: Vec<f32> = self
            .padding
            .iter()
            .flat_map(|&pad| (0..self.width).map(move |i| if i < pad { low } else { 0.0 }))
            .collect();
        let bias = Tensor::f_from_slice(&flat)?.f_view([self.rows as i64, 1, 1, self.width as i64])?;
        Ok(Some(bias.f_to_device(self.ids.device())?.f_to_kind(kind)?))
    }

    /// Indices into the flattened [rows * width] positions that give the logits of `call.want`. For a shifted model
    /// the row before a position scores it; position 0 is scored by row 0, as published.
    pub(crate) fn scored(&self, want: &[(usize, usize)], shifted: bool) -> Result<Tensor, ModelError> {
        let back = usize::from(shifted);
        let mut flat = Vec::with_capacity(want.len());
        for &(row, position) in want {
            let pad = *self.padding.get(row).ok_or_else(|| ModelError::Call(format!("there is no row {row}")))?;
            let source = position.saturating_sub(back);
            let column = (source + pad).checked_sub(self.start).filter(|&c| c < self.width);
            let column = column.ok_or_else(|| {
                ModelError::Call(format!("position {position} of row {row} is not computed in this pass"))
            })?;
            flat.push((row * self.width + column) as i64);
        }
        Ok(Tensor::f_from_slice(&flat)?.f_to_device(self.ids.device())?)
    }
}
