//! A monitor that a search stays away from: its suspicion of the first pass, as a term of the loss.

use mosa_core::Toll;
use mosa_defence::monitor::FirstPass;
use mosa_engine::View;
use mosa_model::Slot;
use std::ops::Range;

/// What is avoided, and what it costs.
///
/// ```text
/// loss(suffix) = cross-entropy + toll(suspicion(suffix)),   suspicion = mean over positions of what the monitor reads there
/// ```
#[derive(Clone, Debug)]
pub struct Avoid {
    /// The monitor.
    pub monitor: FirstPass,
    /// Canvas positions it reads ([`FirstPass::positions`]); they do not depend on the suffix, whose length is fixed.
    pub positions: Range<usize>,
    /// The price of its suspicion, in nats per token of the target.
    pub toll: Toll,
}

impl Avoid {
    /// The positions it reads of so many canvases.
    pub(super) fn want(&self, rows: usize) -> Vec<Slot> {
        (0..rows).flat_map(|row| self.positions.clone().map(move |p| (row, p))).collect()
    }
}

/// A canvas on which nothing of the target stands.
pub(super) fn masked() -> [View; 1] {
    [View { revealed: Vec::new(), scored: Vec::new() }]
}
