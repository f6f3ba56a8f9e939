//! Whom a token attends to.

/// Whom the tokens of a row attend to. Positions are those of the canvas, so blocks mean the same in every window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attention {
    /// Every token sees all of the row, and all of its cache.
    #[default]
    Full,
    /// Canvas positions in blocks of this many: a token sees its own block and those before it (SDAR, LLaDA2).
    BlockCausal {
        /// Positions per block.
        block: usize,
    },
    /// Every token sees the first `len` canvas positions only.
    Prefix {
        /// How many; at least one.
        len: usize,
    },
}

impl Attention {
    /// Whether the positions from `first` on see all of the first `keys` by this rule: then no mask is needed. Prefixes are
    /// always masked.
    pub(crate) fn hides_nothing(self, first: usize, keys: usize) -> bool {
        match self {
            Self::Full => true,
            Self::BlockCausal { .. } => self.sees(first, keys.saturating_sub(1)),
            Self::Prefix { .. } => false,
        }
    }

    /// Whether a token at canvas position `query` sees the one at `key`.
    pub fn sees(self, query: usize, key: usize) -> bool {
        match self {
            Self::Full => true,
            Self::BlockCausal { block } => key / block.max(1) <= query / block.max(1),
            Self::Prefix { len } => key < len,
        }
    }
}
