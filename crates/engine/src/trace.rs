//! What happened to a canvas, step by step.

use mosa_core::Edit;

/// A moment of a row's decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Block number, from 0; always 0 in Dream's sampler. The number behind the last block stands for the steps that
    /// reveal what the blocks left masked.
    pub block: usize,
    /// Step within the block, from 0.
    pub step: usize,
    /// Steps since the beginning of the row, skipped ones included: the step of every random draw.
    pub clock: u64,
    /// The row's sample key.
    pub sample: u64,
}

/// One step: the edits of interventions, then the commits.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// When.
    pub step: Step,
    /// Whether the model saw the whole canvas, and not a window with cached keys and values.
    pub full: bool,
    /// Every change, in order; positions count from the start of the prompt.
    pub edits: Vec<Edit>,
}

/// The steps of one row in which the model ran or something changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// In order of time.
    pub steps: Vec<StepRecord>,
}
