//! What all blocks of a forward pass share.

use crate::batch::Batch;
use crate::rope::Rotation;
use crate::rope_config::RopeConfig;
use crate::{Adapter, Call, KvCache, ModelError, ModelSpec, Slot};
use tch::{Device, Kind, Tensor};

/// What a pass has to know about its model.
pub(crate) struct Body<'a> {
    pub spec: &'a ModelSpec,
    pub rope: &'a RopeConfig,
    /// Channels per head.
    pub head_dim: usize,
    /// Whether positions of a padded row count from its first token.
    pub positions_skip_padding: bool,
    pub kind: Kind,
    pub device: Device,
}

/// A pass on its way through the blocks.
pub(crate) struct Pass<'a> {
    pub rotation: Rotation,
    /// Additive attention bias; none where everybody sees everything.
    pub bias: Option<Tensor>,
    /// The same of each row, where one stands beside another.
    biases: Vec<Option<Tensor>>,
    pub adapter: Option<&'a Adapter>,
    /// The token ids [rows, width]; packed [1, positions].
    pub ids: Tensor,
    /// Flattened positions that are scored.
    pub scored: Tensor,
    batch: Batch,
    caches: Vec<Option<&'a mut KvCache>>,
}

impl<'a> Pass<'a> {
    /// Checks the call and lays out its rows.
    pub(crate) fn new(call: Call<'a>, body: &Body<'_>) -> Result<Self, ModelError> {
        let batch = Batch::new(&call, body.spec, body.device)?;
        let scored = batch.scored(call.want, body.spec.lookback)?;
        if let Some(adapter) = call.adapter {
            adapter.check_fits(body.spec)?;
        }
        let positions = batch.positions(body.positions_skip_padding)?;
        let rotation = |positions: &Tensor| Rotation::new(body.rope, body.head_dim, positions, body.kind);
        let (rotation, biases) = if batch.is_beside() {
            // Each as it is alone: where libtorch ends a vector decides last digits.
            let spans = batch.spans().unwrap_or_default();
            let parts = positions.f_split_with_sizes(spans.as_slice(), 1)?;
            let parts = parts.iter().map(rotation).collect::<Result<Vec<_>, _>>()?;
            (Rotation::joined(&parts)?, batch.biases(body.kind)?)
        } else {
            (rotation(&positions)?, Vec::new())
        };
        Ok(Self {
            rotation,
            bias: batch.bias(body.kind)?,
            biases,
            adapter: call.adapter,
            ids: batch.ids.shallow_clone(),
            scored,
            batch,
            caches: call.rows.into_iter().map(|row| row.cache).collect(),
        })
    }

    /// The lengths of rows that stand one behind the other and attend by themselves.
    pub(crate) fn spans(&self) -> Option<Vec<i64>> {
        self.batch.spans()
    }

    /// Whether rows share the pass one behind the other, which is equal up to rounding.
    pub(crate) fn shares(&self) -> bool {
        self.batch.shares()
    }

    /// Whether the second of two rows is what the canvas of the first may become.
    pub(crate) fn is_beside(&self) -> bool {
        self.batch.is_beside()
    }

    /// Keys and values of everything row `r` of two such rows sees, and its bias; the second row comes first.
    pub(crate) fn gather_apart(
        &mut self,
        block: usize,
        r: usize,
        fresh: [Tensor; 2],
    ) -> Result<([Tensor; 2], Option<&Tensor>), ModelError> {
        let all = self.batch.gather_apart(block, r, &mut self.caches, fresh)?;
        Ok((all, self.biases[r].as_ref()))
    }

    /// Indices of `positions` into the flattened ones.
    pub(crate) fn indices(&self, positions: &[Slot]) -> Result<Tensor, ModelError> {
        self.batch.scored(positions, 0)
    }

    /// Keys and values of everything the rows may see in block `block`, from those of their tokens.
    pub(crate) fn gather(&mut self, block: usize, fresh: [Tensor; 2]) -> Result<[Tensor; 2], ModelError> {
        self.batch.gather(block, &mut self.caches, fresh)
    }
}

/// The `scored` positions of [b, t, ..]: [n, ..].
pub(crate) fn select(x: &Tensor, scored: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_flatten(0, 1)?.f_index_select(0, scored)?)
}
