//! What is trained towards: records to canvases with loss terms.

mod a2d_eos;
mod covered;
mod mosa;
mod recovery;
mod refusal;
mod retain;
mod sft;
mod vrpo;

pub use a2d_eos::A2dEos;
pub use mosa::Mosa;
pub use recovery::RecoveryGroups;
pub use sft::MaskedSft;
pub use vrpo::VrpoPairs;

use crate::metrics::RolloutMetrics;
use crate::{AlignConfig, AlignError, Data, Example, Policy, Rollouts};
use mosa_core::{Placement, TokenId};
use mosa_parallel::Team;
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

    /// The same for an objective that first lets the policy answer: every rank of the team lets it answer its part, and all get
    /// all of it.
    ///
    /// # Errors
    /// As [`Objective::examples`], or if the policy cannot answer, its answers have no reward, or a rank is lost.
    fn batch(&self, step: usize, _policy: &Policy<'_>, _team: &Team<'_>) -> Result<Batch, AlignError> {
        Ok(Batch { examples: self.examples(step)?, rollouts: None })
    }
}

/// What a step is made of.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its examples.
    pub examples: Vec<Example>,
    /// What the policy answered for it.
    pub rollouts: Option<RolloutMetrics>,
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
pub const OBJECTIVES: [&str; 6] = ["mosa", "initial", "sft", "a2d-eos", "vrpo", RECOVERY];
/// The objective that lets the policy answer.
pub const RECOVERY: &str = "recovery";

/// The objective of that name; `initial` is `mosa` with every sentence at offset 0. `None` if there is no such objective.
///
/// # Errors
/// [`AlignError`] if the data or the settings do not fit the objective, or it needs answers of the policy
/// ([`rewarded_objective`]).
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
        "a2d-eos" => Some(Box::new(A2dEos::new(config, ids, data)?)),
        "vrpo" => Some(Box::new(VrpoPairs::new(config, ids, data)?)),
        RECOVERY => return Err(AlignError::Reward(format!("`{RECOVERY}` needs to be told what answers are worth"))),
        _ => None,
    })
}

/// The objective that lets the policy answer, [`RECOVERY`].
///
/// # Errors
/// [`AlignError`] if the data or the settings do not fit it.
pub fn rewarded_objective<'r>(
    config: &AlignConfig,
    ids: CanvasIds,
    data: Data,
    rollouts: Rollouts<'r>,
) -> Result<Box<dyn Objective + 'r>, AlignError> {
    Ok(Box::new(RecoveryGroups::new(config, ids, data, rollouts)?))
}

/// An answer with the tail of end tokens that fills its canvas.
fn padded(answer: &[TokenId], eos: TokenId, length: usize) -> Vec<TokenId> {
    answer.iter().copied().chain(std::iter::repeat(eos)).take(length).collect()
}
