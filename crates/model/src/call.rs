//! What a model is asked: rows of tokens, where they stand, and whom they see.

use crate::{Adapter, Attention, HiddenTap, KvCache};
use mosa_core::TokenId;

/// A position to score: row of the pass, canvas position in that row (padding never counts).
pub type Slot = (usize, usize);

/// A row of a pass.
#[derive(Debug)]
pub struct Row<'a> {
    /// The tokens to compute.
    pub tokens: &'a [TokenId],
    /// Canvas position of the first of them; above 0 only with a cache that holds what stands before.
    pub start: usize,
    /// Keys and values of the canvas from earlier passes. Those of `tokens` replace or extend them; all others take part as
    /// they are. A cleared cache and `start` 0 fill it.
    pub cache: Option<&'a mut KvCache>,
    /// Whom the tokens see; none: as the model was trained.
    pub attention: Option<Attention>,
    /// Whether it is what the canvas of the row before it may become: it has no cache of its own, attends to what the
    /// cache of that row holds before `start`, and leaves it as it is. See [`Row::beside`].
    pub beside: bool,
}

impl<'a> Row<'a> {
    /// A whole canvas, without a cache.
    pub fn new(tokens: &'a [TokenId]) -> Self {
        Self { tokens, start: 0, cache: None, attention: None, beside: false }
    }

    /// The tokens from canvas position `start` on, with what `cache` holds of the rest.
    pub fn cached(tokens: &'a [TokenId], start: usize, cache: &'a mut KvCache) -> Self {
        Self { tokens, start, cache: Some(cache), attention: None, beside: false }
    }

    /// What the canvas of a cached row may become: these tokens from the same `start` on, and at least as many. It
    /// stands behind that row in a pass of these two, is computed without touching it, and its keys and values are
    /// set aside in the cache ([`KvCache::adopt`]). Where [`DenoisingModel::beside`](crate::DenoisingModel::beside)
    /// allows so many positions, both have the bits they have alone.
    pub fn beside(tokens: &'a [TokenId], start: usize) -> Self {
        Self { tokens, start, cache: None, attention: None, beside: true }
    }

    /// The number of canvas positions its tokens may see.
    pub fn attended(&self) -> usize {
        let end = self.start + self.tokens.len();
        self.cache.as_ref().map_or(end, |c| c.positions().max(end))
    }
}

/// One forward pass.
pub struct Call<'a> {
    /// Rows of any length, with caches or without.
    pub rows: Vec<Row<'a>>,
    /// The positions whose logits are wanted, in the order the rows of the result come in. None: the pass fills caches, and
    /// computes no more than that takes.
    pub want: &'a [Slot],
    /// The adapter to apply, if any.
    pub adapter: Option<&'a Adapter>,
    /// Sees and may replace the hidden states after each block.
    pub tap: Option<&'a mut dyn HiddenTap>,
    /// Whether rows may stand one behind the other instead of padded: equal up to rounding. See [`Call::packed`].
    pub pack: bool,
}

impl<'a> Call<'a> {
    /// A plain pass over whole canvases: no adapter, no cache, no tap.
    pub fn new(rows: &[&'a [TokenId]], want: &'a [Slot]) -> Self {
        Self::of(rows.iter().map(|tokens| Row::new(tokens)).collect(), want)
    }

    /// A pass over these rows.
    pub fn of(rows: Vec<Row<'a>>, want: &'a [Slot]) -> Self {
        Self { rows, want, adapter: None, tap: None, pack: false }
    }

    /// The same pass, whose rows may stand one behind the other: what is done position by position is then done without
    /// padding, and every row attends by itself. A model does so where that is faster and possible: on the CPU, where
    /// several whole canvases that nobody looks into are attended to in full.
    pub fn packed(self) -> Self {
        Self { pack: true, ..self }
    }

    /// The same pass with `adapter`.
    pub fn with_adapter(self, adapter: Option<&'a Adapter>) -> Self {
        Self { adapter, ..self }
    }
}
