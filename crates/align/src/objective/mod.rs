//! What is trained towards: records to canvases with loss terms.

mod mosa;
mod retain;
mod sft;

pub use mosa::Mosa;
pub use sft::MaskedSft;

use crate::{AlignConfig, AlignError, Data, Example};
use mosa_core::{Placement, TokenId};
use std::fmt::Debug;

/// An objective with its data. Everything it draws is a function of the seed and the step.
pub trait Objective: Debug {
    /// Number of prompts an epoch has.
    fn prompts(&self) -> usize;

    /// The examples of an optimiser step, from 0. Their loss is summed with their shares.
    ///
    /// # Errors
    /// [`AlignError`] if a sentence or an answer has no place on the canvas.
    fn examples(&self, step: usize) -> Result<Vec<Example>, AlignError>;
}

/// The ids a canvas is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasIds {
    /// The mask token.
    pub mask: TokenId,
    /// Fills the canvas behind an answer.
    pub eos: TokenId,
}

/// Names on the command line.
pub const OBJECTIVES: [&str; 3] = ["mosa", "initial", "sft"];

/// The objective of that name: `mosa`; `initial`, the same with every sentence at offset 0; `sft`. `None` if there is
/// no such objective.
///
/// # Errors
/// [`AlignError`] if the data or the settings do not fit the objective.
pub fn objective(
    name: &str,
    config: &AlignConfig,
    ids: CanvasIds,
    data: Data,
) -> Result<Option<Box<dyn Objective>>, AlignError> {
    Ok(match name {
        "mosa" => Some(Box::new(Mosa::new(config, config.placement.placement(), ids, data)?)),
        "initial" => Some(Box::new(Mosa::new(config, Placement::Fixed(0), ids, data)?)),
        "sft" => Some(Box::new(MaskedSft::new(config, ids, data)?)),
        _ => None,
    })
}

/// An answer with the tail of end tokens that fills its canvas.
fn padded(answer: &[TokenId], eos: TokenId, length: usize) -> Vec<TokenId> {
    answer.iter().copied().chain(std::iter::repeat(eos)).take(length).collect()
}
