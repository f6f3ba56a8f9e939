//! Schedules: how many positions are revealed when. One file per schedule.

mod block_diffusion;
mod blocks;
mod timesteps;

pub use block_diffusion::{BlockDiffusion, BlockQuota};
pub use blocks::Blocks;
pub use timesteps::{RevealCount, Timesteps, reveal_count, reveal_probabilities};

use crate::commit::Pace;
use crate::{EngineError, Options};
use mosa_model::{Attention, ModelSpec};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The schedules by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// LLaDA: blocks from left to right, each with its share of the steps; a block's masks are spread over its steps.
    Blocks {
        /// Steps in all; a multiple of the number of blocks. Not used by threshold and factor.
        steps: usize,
        /// Positions per block; divides the response length.
        block_length: usize,
    },
    /// Dream: all positions at once, the share of masks falls linearly from 1 to `eps`.
    Timesteps {
        /// Steps in all.
        steps: usize,
        /// End of the time grid. Published: 1e-3.
        eps: f64,
        /// Whose masks the number to reveal is computed from.
        #[serde(default)]
        count: RevealCount,
    },
    /// SDAR, LLaDA2: blocks on a grid of the canvas, none of which sees a later one.
    BlockDiffusion {
        /// Positions per block.
        block_length: usize,
        /// How many positions a step reveals.
        quota: BlockQuota,
        /// Whether revealed tokens of the block may be replaced.
        #[serde(default)]
        editing: Option<Editing>,
    },
}

/// LLaDA2.1's editing: in every step, from the same logits, a token of the current block that was revealed in an earlier one is
/// replaced if another is the most likely there, with a probability above the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Editing {
    /// The probability to exceed; 1 edits nothing.
    pub threshold: f64,
    /// Most steps of a block behind its last mask. They end with the first that changes nothing.
    pub max_post_steps: usize,
}

impl Schedule {
    /// The schedule itself.
    pub fn plan(self) -> Box<dyn RevealSchedule> {
        match self {
            Self::Blocks { steps, block_length } => Box::new(Blocks { steps, block_length }),
            Self::Timesteps { steps, eps, count } => Box::new(Timesteps { steps, eps, count }),
            Self::BlockDiffusion { block_length, quota, editing } => {
                Box::new(BlockDiffusion { block_length, quota, editing })
            }
        }
    }
}

/// What a schedule knows of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Canvas position of the first response position.
    pub response_start: usize,
    /// The first canvas position to fill: that of the response, or of a gap in the prompt.
    pub first_mask: usize,
    /// Response positions; behind them the canvas ends.
    pub gen_length: usize,
    /// Who decides how many positions a step reveals.
    pub pace: Pace,
}

impl Frame {
    /// Canvas positions of the response.
    pub fn response(&self) -> Range<usize> {
        self.response_start..self.response_start + self.gen_length
    }

    /// Canvas positions, prompt included.
    pub fn canvas(&self) -> Range<usize> {
        0..self.response_start + self.gen_length
    }
}

/// A part of the canvas that is revealed before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its canvas positions. It may begin in the prompt, where nothing is masked.
    pub positions: Range<usize>,
    /// The steps it gets; with [`Pace::Free`] the most it may take.
    pub steps: usize,
}

/// The masks that a number to reveal is computed from, and the rows that hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskCount {
    /// Masks of all of the rows.
    pub masks: usize,
    /// How many rows.
    pub rows: usize,
}

/// How far a row is within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Step within the block, from 0.
    pub step: usize,
    /// Steps the block has now, with those an intervention added.
    pub steps: usize,
    /// Whether the blocks are over and the steps are for what they left masked.
    pub behind: bool,
    /// Masks the steps of the block are still for.
    pub planned: usize,
    /// Masked positions that could be revealed now.
    pub open: usize,
    /// Masks by which a shared number is computed; the row's own `open` where nothing is shared.
    pub counted: MaskCount,
}

impl Progress {
    /// Steps the block still has, this one included.
    pub fn steps_left(&self) -> usize {
        self.steps.saturating_sub(self.step).max(1)
    }
}

/// What one step reveals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Positions. Policies that are not bound to a number take what they like.
    pub quota: usize,
    /// The probability that a position is revealed, for policies that draw.
    pub reveal: f32,
}

/// Splits the canvas into blocks, a block into steps, and says how many positions a step reveals.
///
/// Blocks come one after another. A row's interventions may add steps to one ([`Flow::Repeat`](crate::Flow::Repeat)), and what
/// the last one leaves masked gets steps of its own.
pub trait RevealSchedule: Send + Sync {
    /// Steps in all, as asked for.
    fn steps(&self) -> usize;

    /// Refuses settings that do not go with it.
    ///
    /// # Errors
    /// [`EngineError::Option`] naming the option.
    fn check(&self, options: &Options) -> Result<(), EngineError>;

    /// Refuses a model that it cannot decode.
    ///
    /// # Errors
    /// [`EngineError::Option`] naming the option.
    fn check_model(&self, _spec: &ModelSpec) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whom the tokens of a pass see; none: as the model was trained.
    fn attention(&self) -> Option<Attention> {
        None
    }

    /// Response positions on the canvas for a response of `gen_length`; what is more than that is no part of the answer.
    fn response_on_canvas(&self, _response_start: usize, gen_length: usize) -> usize {
        gen_length
    }

    /// Whether a block is over once nothing of it is masked, however many steps it has left.
    fn ends_when_revealed(&self) -> bool {
        false
    }

    /// Whether revealed tokens of the current block may be replaced.
    fn editing(&self) -> Option<Editing> {
        None
    }

    /// The number of blocks; at least one.
    fn blocks(&self, frame: &Frame) -> usize;

    /// Block number `index`, from 0.
    fn block(&self, frame: &Frame, index: usize) -> Block;

    /// The steps for `masks` positions that the last block left masked: by default as many positions per step as the schedule
    /// has on average, or as many steps as positions where a policy is free.
    fn steps_behind(&self, frame: &Frame, masks: usize) -> usize {
        match frame.pace {
            Pace::Free => masks,
            _ => masks.div_ceil(frame.gen_length.div_ceil(self.steps().max(1)).max(1)),
        }
    }

    /// What the next step reveals.
    fn share(&self, frame: &Frame, now: &Progress) -> Share;

    /// Whether rows that are decoded together make their steps together and count their masks together, so that an answer
    /// depends on its batch.
    fn counts_together(&self) -> bool {
        false
    }

    /// Whether tokens are drawn from the tempered and filtered distribution, which the confidences are then read from as well
    /// (Dream); else noise of the temperature is added for the choice alone (LLaDA).
    fn tempers(&self) -> bool {
        false
    }

    /// The same pace for a response of another length.
    fn resized(&self, from: usize, to: usize) -> Schedule;

    /// The same for a response of `gen_length` that is revealed position by position, as one block.
    fn one_per_step(&self, gen_length: usize) -> Schedule;
}

/// LLaDA's quota: `masks` still planned for a block, spread over `steps_left` steps, the first steps taking the
/// remainder. Equal to floor(n / s) each plus one for the first n mod s steps, computed at the start.
pub fn quota(masks: usize, steps_left: usize) -> usize {
    masks.div_ceil(steps_left.max(1))
}

/// `steps` for `from` positions, scaled to `to` positions.
fn scaled(steps: usize, from: usize, to: usize) -> usize {
    steps.saturating_mul(to).div_ceil(from.max(1)).clamp(1, to.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(pace: Pace) -> Frame {
        Frame { response_start: 13, first_mask: 13, gen_length: 16, pace }
    }

    #[test]
    fn the_blocks_of_every_schedule_cover_the_response_in_order() {
        let all = [
            Schedule::Blocks { steps: 8, block_length: 4 },
            Schedule::Blocks { steps: 16, block_length: 16 },
            Schedule::Timesteps { steps: 5, eps: 1e-3, count: RevealCount::PerRow },
        ];
        for schedule in all {
            let (plan, frame) = (schedule.plan(), frame(Pace::Quota));
            let blocks: Vec<Block> = (0..plan.blocks(&frame)).map(|i| plan.block(&frame, i)).collect();
            assert_eq!(blocks.last().map(|b| b.positions.end), Some(frame.canvas().end), "{schedule:?}");
            assert!(blocks[0].positions.start <= frame.response_start, "{schedule:?}");
            assert!(blocks.windows(2).all(|b| b[0].positions.end == b[1].positions.start), "{schedule:?}");
            assert_eq!(blocks.iter().map(|b| b.steps).sum::<usize>(), plan.steps(), "{schedule:?}");
        }
    }

    #[test]
    fn the_shares_of_a_block_reveal_all_of_it() {
        for schedule in [
            Schedule::Blocks { steps: 6, block_length: 16 },
            Schedule::Timesteps { steps: 6, eps: 1e-3, count: RevealCount::PerRow },
        ] {
            let (plan, frame) = (schedule.plan(), frame(Pace::Quota));
            let block = plan.block(&frame, 0);
            let mut open = frame.gen_length;
            for step in 0..block.steps {
                let counted = MaskCount { masks: open, rows: 1 };
                let now = Progress { step, steps: block.steps, behind: false, planned: open, open, counted };
                open -= plan.share(&frame, &now).quota;
            }
            assert_eq!(open, 0, "{schedule:?}");
        }
    }

    #[test]
    fn another_length_keeps_the_pace_and_the_blocks_where_they_fit() {
        let blocks = Schedule::Blocks { steps: 64, block_length: 32 };
        assert_eq!(blocks.plan().resized(128, 64), Schedule::Blocks { steps: 32, block_length: 32 });
        assert_eq!(blocks.plan().resized(128, 50), Schedule::Blocks { steps: 25, block_length: 50 });
        assert_eq!(blocks.plan().one_per_step(9), Schedule::Blocks { steps: 9, block_length: 9 });
        let grid = |steps| Schedule::Timesteps { steps, eps: 0.01, count: RevealCount::BatchMean };
        assert_eq!(grid(64).plan().resized(128, 64), grid(32));
        assert_eq!(grid(64).plan().one_per_step(9), grid(9));
    }
}
