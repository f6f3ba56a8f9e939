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
        Ok(Self {
            rotation: Rotation::new(body.rope, body.head_dim, &positions, body.kind)?,
            bias: batch.bias(body.kind)?,
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
