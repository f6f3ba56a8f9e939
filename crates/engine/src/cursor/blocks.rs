//! How a row enters its blocks and leaves them.

use super::{Behind, Cursor};
use crate::commit::Pace;
use crate::intervention::Flow;
use crate::options::Options;
use crate::schedule::{Block, Editing};
use crate::{EngineError, Finish};
use mosa_core::TokenId;

impl Cursor {
    /// The masks that the steps of a block are for: those of the block, and where interventions act those before it as
    /// well, which may have been masked again.
    pub(super) fn open_masks(&self) -> usize {
        let from = if self.acts() { 0 } else { self.range.start };
        self.canvas.masked(from..self.range.end).len()
    }

    pub(super) fn enter_block(&mut self) {
        let Block { positions, steps } = self.schedule.block(&self.frame, self.block);
        self.step = 0;
        self.behind = Behind::default();
        if self.schedule.attention().is_none() {
            // Without blocks that are over, what was cached is an approximation for one block.
            self.kept.forget();
        }
        self.planned = self.canvas.masked(positions.clone()).len();
        (self.range, self.budget) = (positions, steps);
    }

    /// Goes on behind the last block with what is still masked, as many positions per step as the schedule has on
    /// average. An answer holds no mask, whatever left one: a mask that was chosen, gaps in the prompt that took part in
    /// the quotas, an intervention that masked positions again.
    pub(super) fn enter_rest(&mut self) {
        self.rest = true;
        self.step = 0;
        if self.schedule.attention().is_none() {
            self.forget();
        }
        self.planned = self.masks();
        (self.range, self.budget) = (self.frame.canvas(), self.schedule.steps_behind(&self.frame, self.planned));
    }

    /// A quota takes all its steps; parallel decoding and blocks that end early go on until no mask is left and nothing may be
    /// revised (interventions that act see at least one step).
    pub(super) fn block_is_over(&self) -> bool {
        let seen = self.step > 0 || !self.acts() || self.rest;
        let early = self.frame.pace == Pace::Free || self.schedule.ends_when_revealed();
        if self.open_masks() > 0 || !early { self.step >= self.budget } else { seen && !self.may_revise() }
    }

    /// Whether a block without masks has a step to come that may revise it.
    pub(super) fn may_revise(&self) -> bool {
        let Some(Editing { max_post_steps, .. }) = self.schedule.editing() else { return false };
        let open = self.behind.steps < max_post_steps && !self.behind.settled;
        open && !self.revealed().is_empty()
    }

    /// The positions of the block that may be revised.
    pub(super) fn revealed(&self) -> Vec<usize> {
        match self.schedule.editing() {
            Some(_) if !self.rest => self.range.clone().filter(|&p| self.canvas.is_revealed(p)).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn leave_block(&mut self, options: &Options) -> Result<(), EngineError> {
        if self.rest {
            self.end();
            return Ok(());
        }
        let at = self.now();
        let mut longest = 0;
        for intervention in &mut self.interventions {
            match intervention.after_block(at, &mut self.canvas)? {
                Flow::Stop => {
                    self.finish = Some(Finish::Stopped(intervention.name().to_owned()));
                    break;
                }
                Flow::Repeat { steps } => longest = longest.max(steps),
                Flow::Continue => {}
            }
        }
        self.record(at, true);
        if self.finish.is_some() {
            self.end();
            return Ok(());
        }
        if longest > 0 {
            self.planned = self.open_masks();
            self.budget = self.step.saturating_add(longest);
            if self.planned > 0 {
                return Ok(());
            }
        }
        if self.stops_here(&options.block_stops) {
            self.stopped = true;
            self.end();
        } else if self.schedule.editing().is_some() {
            self.end_early(at, options)?;
        }
        if !self.done {
            self.enter_next();
        }
        Ok(())
    }

    /// The next block, or what the blocks left masked, or the end.
    pub(super) fn enter_next(&mut self) {
        self.block += 1;
        if self.block < self.schedule.blocks(&self.frame) {
            self.enter_block();
        } else if self.masks() > 0 {
            self.enter_rest();
        } else {
            self.end();
        }
    }

    /// Whether an end token was revealed up to the end of this block, with nothing masked before it.
    pub(super) fn stops_here(&self, stops: &[TokenId]) -> bool {
        !stops.is_empty() && self.canvas.settled_end(stops).is_some_and(|p| p < self.range.end)
    }
}
