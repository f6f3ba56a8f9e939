//! What a row asks of the logits of a pass.

use crate::options::MaskRule;
use crate::{Options, Step};
use mosa_core::TokenId;
use tch::Tensor;

/// When candidates are drawn, and how.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    pub step: Step,
    pub mask: TokenId,
    pub mask_rule: MaskRule,
    /// Whether tokens are drawn from, and confidences read from, the tempered and filtered distribution.
    pub tempered: bool,
}

/// The positions of one row, and their logits [positions, vocabulary] in any floating type. There is at least one.
pub(crate) struct Asked<'a> {
    pub logits: Tensor,
    pub positions: &'a [usize],
    pub options: &'a Options,
    pub draw: Draw,
}
