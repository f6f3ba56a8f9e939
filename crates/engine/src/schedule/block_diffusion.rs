//! Blocks on a grid of the canvas, each of which is revealed before the next is looked at.

use super::{Block, Editing, Frame, Progress, RevealSchedule, Schedule, Share, quota};
use crate::commit::{Commit, Pace};
use crate::error::option;
use crate::options::CacheMode;
use crate::{EngineError, Options};
use mosa_model::{Attention, ModelSpec};
use serde::{Deserialize, Serialize};

/// The schedule of block-causal models (SDAR, LLaDA2): blocks are counted from the first position of the canvas, prompt included, so
/// the first may begin in the prompt; the canvas ends with a whole block, so the last may reach beyond the response that was
/// asked for. A block sees those before it and itself. It is over when nothing of it is masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockDiffusion {
    /// Positions per block, of the schedule as of the attention.
    pub block_length: usize,
    /// How many positions a step reveals.
    pub quota: BlockQuota,
    /// Whether revealed tokens of the block may be replaced.
    pub editing: Option<Editing>,
}

/// How many positions of a block a step reveals at least; the commit policy may take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockQuota {
    /// A whole block spread over so many steps, the first taking the remainder (SDAR's `denoising_steps`, LLaDA2.0's `steps`). A
    /// block that holds given tokens has the same numbers, and is over sooner.
    Steps(usize),
    /// So many in every step (LLaDA2.1's `num_to_transfer`).
    PerStep(usize),
}

/// Steps per position that a block gets at most where its steps are not counted. Each reveals at least one; the margin is for
/// interventions that mask positions again.
const MARGIN: usize = 8;

impl BlockDiffusion {
    /// The block that holds this canvas position.
    fn block_of(&self, position: usize) -> usize {
        position / self.block_length.max(1)
    }

    /// Positions that a step of a whole block reveals on average, rounded up.
    fn pace(&self) -> usize {
        match self.quota {
            BlockQuota::Steps(steps) => self.block_length.div_ceil(steps.max(1)),
            BlockQuota::PerStep(n) => n.max(1),
        }
    }

    fn check_numbers(&self) -> Result<(), EngineError> {
        if self.block_length == 0 {
            return Err(option("block-length", "must be positive"));
        }
        match self.quota {
            BlockQuota::Steps(0) => return Err(option("steps", "(of a block) must be positive")),
            BlockQuota::PerStep(0) => return Err(option("num-to-transfer", "must be positive")),
            _ => {}
        }
        match self.editing.map(|editing| editing.threshold) {
            Some(t) if !(0.0..=1.0).contains(&t) => {
                Err(option("editing-threshold", format!("= {t} must lie in [0, 1]; 1 edits nothing")))
            }
            _ => Ok(()),
        }
    }
}

impl RevealSchedule for BlockDiffusion {
    fn steps(&self) -> usize {
        match self.quota {
            BlockQuota::Steps(steps) => steps,
            BlockQuota::PerStep(n) => self.block_length.div_ceil(n.max(1)),
        }
    }

    fn check(&self, options: &Options) -> Result<(), EngineError> {
        self.check_numbers()?;
        if options.cfg_scale > 0.0 {
            return Err(option(
                "cfg-scale",
                "is for models that were published with guidance; block diffusion has none",
            ));
        }
        if !matches!(options.cache, CacheMode::None | CacheMode::Block) {
            return Err(option(
                "cache",
                "prefix and dual are approximations for models without blocks; block is exact here, and none computes \
                 everything anew",
            ));
        }
        if options.commit == Commit::Origin {
            return Err(option("alg", "origin reveals by Dream's time grid, not by blocks"));
        }
        if options.rank_temperature.is_some() {
            return Err(option("alg-temp", "belongs to Dream's sampler"));
        }
        Ok(())
    }

    fn check_model(&self, spec: &ModelSpec) -> Result<(), EngineError> {
        match spec.attention {
            Attention::BlockCausal { .. } => Ok(()),
            _ => Err(option(
                "sampler",
                format!(
                    "block-diffusion needs a model whose tokens do not see later blocks; those of this {} model see all \
                     of the canvas: use blocks or timesteps",
                    spec.family
                ),
            )),
        }
    }

    fn attention(&self) -> Option<Attention> {
        Some(Attention::BlockCausal { block: self.block_length })
    }

    fn response_on_canvas(&self, response_start: usize, gen_length: usize) -> usize {
        let end = response_start + gen_length;
        end.div_ceil(self.block_length.max(1)).saturating_mul(self.block_length) - response_start
    }

    fn ends_when_revealed(&self) -> bool {
        true
    }

    fn editing(&self) -> Option<Editing> {
        self.editing
    }

    fn blocks(&self, frame: &Frame) -> usize {
        (frame.canvas().end.div_ceil(self.block_length.max(1)) - self.block_of(frame.first_mask)).max(1)
    }

    fn block(&self, frame: &Frame, index: usize) -> Block {
        let start = (self.block_of(frame.first_mask) + index) * self.block_length;
        let steps = match (self.quota, frame.pace) {
            (BlockQuota::Steps(steps), Pace::Quota | Pace::Drawn) => steps,
            _ => MARGIN * self.block_length,
        };
        Block { positions: start..(start + self.block_length).min(frame.canvas().end), steps }
    }

    fn steps_behind(&self, frame: &Frame, masks: usize) -> usize {
        match frame.pace {
            Pace::Free => masks,
            _ => masks.div_ceil(self.pace()),
        }
    }

    fn share(&self, frame: &Frame, now: &Progress) -> Share {
        let quota = match self.quota {
            _ if frame.pace == Pace::Free => now.open,
            BlockQuota::PerStep(n) => n,
            BlockQuota::Steps(steps) if now.step < steps && !now.behind => {
                self.block_length / steps + usize::from(now.step < self.block_length % steps)
            }
            BlockQuota::Steps(_) => quota(now.planned, now.steps_left()),
        };
        Share { quota, reveal: 1.0 }
    }

    fn tempers(&self) -> bool {
        true
    }

    fn resized(&self, _from: usize, _to: usize) -> Schedule {
        let Self { block_length, quota, editing } = *self;
        Schedule::BlockDiffusion { block_length, quota, editing }
    }

    fn one_per_step(&self, _gen_length: usize) -> Schedule {
        let block_length = self.block_length;
        Schedule::BlockDiffusion { block_length, quota: BlockQuota::Steps(block_length), editing: None }
    }
}
