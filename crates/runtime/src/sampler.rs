//! The sampler of a request: that of its runtime's user, for another length or another number of steps. All that has to know
//! the schedules is here.

use mosa_engine::{Options, RevealCount, Schedule};

/// The sampler for another response length: as many positions per step, and per block where that fits.
pub(crate) fn resized(options: &Options, gen_length: usize) -> Options {
    let old = options.gen_length.max(1);
    let scaled = |steps: usize| steps.saturating_mul(gen_length).div_ceil(old).clamp(1, gen_length.max(1));
    let schedule = match options.schedule {
        Schedule::Blocks { steps, block_length } => {
            let block_length = if gen_length.is_multiple_of(block_length) { block_length } else { gen_length };
            let blocks = (gen_length / block_length.max(1)).max(1);
            Schedule::Blocks { steps: scaled(steps).div_ceil(blocks) * blocks, block_length }
        }
        Schedule::Timesteps { steps, eps, count } => Schedule::Timesteps { steps: scaled(steps), eps, count },
    };
    Options { gen_length, schedule, ..options.clone() }
}

/// The sampler that reveals one position per step, over the whole response.
pub(crate) fn one_per_step(options: Options) -> Options {
    let steps = options.gen_length;
    let schedule = match options.schedule {
        Schedule::Blocks { .. } => Schedule::Blocks { steps, block_length: steps },
        Schedule::Timesteps { eps, count, .. } => Schedule::Timesteps { steps, eps, count },
    };
    Options { schedule, ..options }
}

/// Whether an answer depends on what is decoded beside it.
pub(crate) fn counts_its_company(options: &Options) -> bool {
    matches!(options.schedule, Schedule::Timesteps { count: RevealCount::BatchMean, .. })
}
