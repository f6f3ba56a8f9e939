//! A global time grid: all positions at once.

use super::{Block, Frame, MaskCount, Progress, RevealSchedule, Schedule, Share, quota, scaled};
use crate::commit::Pace;
use crate::error::option;
use crate::options::CacheMode;
use crate::{EngineError, Options};
use serde::{Deserialize, Serialize};

/// Whose masks Dream's number to reveal is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevealCount {
    /// Each row's own, so that an answer does not depend on its batch. Equal to the published code whenever all rows
    /// have the same number of masks.
    #[default]
    PerRow,
    /// The mean over the batch, as published.
    BatchMean,
}

/// Dream's schedule: one block, the whole canvas; the share of masks falls linearly from 1 to `eps`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timesteps {
    /// Steps in all.
    pub steps: usize,
    /// End of the time grid.
    pub eps: f64,
    /// Whose masks the number to reveal is computed from.
    pub count: RevealCount,
}

impl RevealSchedule for Timesteps {
    fn steps(&self) -> usize {
        self.steps
    }

    fn check(&self, options: &Options) -> Result<(), EngineError> {
        let (steps, eps) = (self.steps, self.eps);
        if steps == 0 {
            return Err(option("steps", "must be positive"));
        }
        if !(eps > 0.0 && eps < 1.0) {
            return Err(option("eps", format!("= {eps} must lie between 0 and 1")));
        }
        if options.commit.pace() == Pace::Free || options.cache != CacheMode::None || options.cfg_scale > 0.0 {
            return Err(option(
                "threshold / factor / cache / cfg-scale",
                "belong to the block sampler; use --sampler blocks",
            ));
        }
        Ok(())
    }

    fn blocks(&self, _frame: &Frame) -> usize {
        1
    }

    fn block(&self, frame: &Frame, _index: usize) -> Block {
        Block { positions: frame.canvas(), steps: self.steps }
    }

    fn share(&self, frame: &Frame, now: &Progress) -> Share {
        let MaskCount { masks, rows } = now.counted;
        if now.behind || now.step >= self.steps {
            let left = now.steps_left();
            return Share { quota: quota(masks, left), reveal: 1.0 / left as f32 };
        }
        let reveal = reveal_probability(now.step, self.steps, self.eps);
        let quota = if frame.pace == Pace::Drawn { masks } else { reveal_count(masks, rows, reveal) };
        Share { quota, reveal }
    }

    fn counts_together(&self) -> bool {
        self.count == RevealCount::BatchMean
    }

    fn tempers(&self) -> bool {
        true
    }

    fn resized(&self, from: usize, to: usize) -> Schedule {
        Schedule::Timesteps { steps: scaled(self.steps, from, to), eps: self.eps, count: self.count }
    }

    fn one_per_step(&self, gen_length: usize) -> Schedule {
        Schedule::Timesteps { steps: gen_length, eps: self.eps, count: self.count }
    }
}

/// Dream's probability that a mask is revealed in each step.
pub fn reveal_probabilities(steps: usize, eps: f64) -> Vec<f32> {
    (0..steps).map(|step| reveal_probability(step, steps, eps)).collect()
}

/// The one of `step`: 1 - s/t for neighbours t > s of linspace(1, eps, steps + 1); 1 in the last step. f32 arithmetic in
/// the order of the published code.
fn reveal_probability(step: usize, steps: usize, eps: f64) -> f32 {
    let at = |i| linspace(1.0, eps as f32, steps + 1, i);
    if step + 1 == steps { 1.0 } else { 1.0 - at(step + 1) / at(step) }
}

/// Dream's number to reveal: int(masks / rows * p), truncated in f32.
pub fn reveal_count(masks: usize, rows: usize, probability: f32) -> usize {
    (masks as f32 / rows as f32 * probability) as usize
}

/// Value `i` of torch.linspace in f32: counted from both ends, so that the last value is exact.
fn linspace(start: f32, end: f32, n: usize, i: usize) -> f32 {
    let step = (end - start) / (n - 1) as f32;
    if i < n / 2 { start + step * i as f32 } else { end - step * (n - 1 - i) as f32 }
}
