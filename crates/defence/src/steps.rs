//! How many steps a decode has, and which of them are early.

use crate::DefenceError;
use mosa_engine::{Frame, Intervention, Options};
use mosa_runtime::Guarded;
use std::ops::Range;

/// The steps a schedule plans for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Steps and positions of each block.
    blocks: Vec<(usize, usize)>,
}

impl Steps {
    /// Of the row that is about to be decoded.
    pub(crate) fn of(row: &Guarded<'_>) -> Self {
        let (frame, plan) = (frame(row.prompt.len(), row.options), row.options.schedule.plan());
        let block = |index| {
            let block = plan.block(&frame, index);
            (block.steps.max(1), block.positions.len().max(1))
        };
        Self { blocks: (0..plan.blocks(&frame)).map(block).collect() }
    }

    /// Steps of a block.
    pub(crate) fn in_block(&self, block: usize) -> usize {
        self.blocks.get(block).or(self.blocks.last()).map_or(1, |(steps, _)| *steps)
    }

    /// Steps that reveal so many positions at the pace of a block; at least one.
    pub(crate) fn for_positions(&self, block: usize, positions: usize) -> usize {
        let (steps, length) = self.blocks.get(block).or(self.blocks.last()).copied().unwrap_or((1, 1));
        (positions * steps).div_ceil(length).max(1)
    }

    /// Whether a step, counted over the whole decode, lies in this share of all of them: from the first number to before the
    /// second.
    pub(crate) fn within(&self, clock: u64, [from, to]: [f64; 2]) -> bool {
        let all: usize = self.blocks.iter().map(|(steps, _)| steps).sum();
        let at = clock as f64;
        at >= (from * all as f64).floor() && at < (to * all as f64).ceil()
    }
}

/// The canvas of a row, whose response begins at `start`, as its schedule sees it.
fn frame(start: usize, options: &Options) -> Frame {
    Frame {
        response_start: start,
        first_mask: start,
        gen_length: options.response_on_canvas(start),
        pace: options.commit.pace(),
    }
}

/// Canvas positions of the first block, as far as they are the response's, which begins at `start`.
pub(crate) fn first_block(start: usize, options: &Options) -> Range<usize> {
    let end = options.schedule.plan().block(&frame(start, options), 0).positions.end;
    start..end.clamp(start, start + options.gen_length)
}

/// A setting that has to lie in a range.
pub(crate) fn within(name: &'static str, key: &str, value: f64, [from, to]: [f64; 2]) -> Result<(), DefenceError> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(DefenceError::Setting { name, what: format!("{key} = {value} is not in {from}..={to}") })
}

/// An intervention as a row takes it.
pub(crate) fn boxed(intervention: impl Intervention + 'static) -> Option<Box<dyn Intervention>> {
    Some(Box::new(intervention))
}

#[cfg(test)]
mod tests {
    use super::Steps;

    #[test]
    fn a_share_of_the_steps_begins_with_the_first_and_has_at_least_one() {
        let steps = Steps { blocks: vec![(8, 16), (8, 16)] };
        let early: Vec<u64> = (0..16).filter(|&clock| steps.within(clock, [0.0, 0.1])).collect();
        assert_eq!(early, [0, 1]);
        assert!((0..16).all(|clock| !steps.within(clock, [0.0, 0.0])));
        assert_eq!((steps.in_block(0), steps.in_block(9)), (8, 8));
        assert_eq!((steps.for_positions(0, 1), steps.for_positions(1, 5)), (1, 3));
    }
}
