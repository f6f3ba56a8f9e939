//! Blocks from left to right, each with its share of the steps.

use super::{Block, Frame, Progress, RevealSchedule, Schedule, Share, quota, scaled};
use crate::commit::{Commit, Pace};
use crate::error::option;
use crate::{EngineError, Options};

/// LLaDA's semi-autoregressive schedule: the response in blocks of equal length, counted from its first position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Steps in all; a multiple of the number of blocks. Not used by threshold and factor.
    pub steps: usize,
    /// Positions per block; divides the response length.
    pub block_length: usize,
}

/// Steps per position that a policy which takes what it likes gets at most. Each reveals at least one; the margin is for
/// interventions that mask positions again.
const MARGIN: usize = 8;

impl RevealSchedule for Blocks {
    fn steps(&self) -> usize {
        self.steps
    }

    fn check(&self, options: &Options) -> Result<(), EngineError> {
        let (g, steps, block_length) = (options.gen_length, self.steps, self.block_length);
        if block_length == 0 || !g.is_multiple_of(block_length) {
            return Err(option("gen-length", format!("= {g} is not a multiple of block-length = {block_length}")));
        }
        let blocks = g / block_length;
        if options.commit.pace() != Pace::Free && (steps == 0 || !steps.is_multiple_of(blocks)) {
            return Err(option(
                "steps",
                format!(
                    "= {steps} is not a positive multiple of the {blocks} blocks (gen-length {g} / block-length {block_length})"
                ),
            ));
        }
        if options.commit == Commit::Origin {
            return Err(option("alg", "origin reveals by Dream's time grid, not by blocks"));
        }
        if options.top_p.is_some() || options.top_k.is_some() || options.rank_temperature.is_some() {
            return Err(option("top-p / top-k / alg-temp", "belong to Dream's sampler, not to the block sampler"));
        }
        Ok(())
    }

    fn blocks(&self, frame: &Frame) -> usize {
        (frame.gen_length / self.block_length.max(1)).max(1)
    }

    fn block(&self, frame: &Frame, index: usize) -> Block {
        let start = frame.response_start + index * self.block_length;
        let steps = match frame.pace {
            Pace::Free => MARGIN * self.block_length,
            _ => self.steps / self.blocks(frame),
        };
        Block { positions: start..start + self.block_length, steps }
    }

    fn share(&self, frame: &Frame, now: &Progress) -> Share {
        let quota = if frame.pace == Pace::Free { now.open } else { quota(now.planned, now.steps_left()) };
        Share { quota, reveal: 1.0 }
    }

    fn resized(&self, from: usize, to: usize) -> Schedule {
        let fits = self.block_length > 0 && to.is_multiple_of(self.block_length);
        let block_length = if fits { self.block_length } else { to };
        let blocks = (to / block_length.max(1)).max(1);
        Schedule::Blocks { steps: scaled(self.steps, from, to).div_ceil(blocks) * blocks, block_length }
    }

    fn one_per_step(&self, gen_length: usize) -> Schedule {
        Schedule::Blocks { steps: gen_length, block_length: gen_length }
    }
}
