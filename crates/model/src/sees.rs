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
    /// A canvas and, behind it in the same row, its positions from `from` on once more, with what will stand there: a
    /// block of the canvas sees its own tokens and, of the blocks before it, the second copy; the second copy sees itself
    /// block by block, and never the canvas. So one pass scores every block as it is met once those before it are
    /// written (SDAR's training, arXiv 2510.06303).
    Teacher {
        /// Positions per block.
        block: usize,
        /// Positions of the canvas.
        len: usize,
        /// First position of the second copy, where a block begins; what stands before it is not predicted.
        from: usize,
    },
}

impl Attention {
    /// Whether the positions from `first` on see all of the first `keys` by this rule: then no mask is needed. Prefixes and
    /// second copies are always masked.
    pub(crate) fn hides_nothing(self, first: usize, keys: usize) -> bool {
        match self {
            Self::Full => true,
            Self::BlockCausal { .. } => self.sees(first, keys.saturating_sub(1)),
            Self::Prefix { .. } | Self::Teacher { .. } => false,
        }
    }

    /// Whether the token at place `query` of a row sees the one at `key`. Places are canvas positions, and behind a canvas
    /// those of its second copy.
    pub fn sees(self, query: usize, key: usize) -> bool {
        match self {
            Self::Full => true,
            Self::BlockCausal { block } => key / block.max(1) <= query / block.max(1),
            Self::Prefix { len } => key < len,
            Self::Teacher { block, len, from } => {
                let [own, other] = [query, key].map(|place| self.position(place) / block.max(1));
                match (query < len, key < len) {
                    (_, true) if key < from => other <= own,
                    (on_canvas, true) => on_canvas && other == own,
                    (true, false) => other < own,
                    (false, false) => other <= own,
                }
            }
        }
    }

    /// The canvas position of a place of a row.
    pub fn position(self, place: usize) -> usize {
        match self {
            Self::Teacher { len, from, .. } if place >= len => from + place - len,
            _ => place,
        }
    }
}
