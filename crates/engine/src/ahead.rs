//! Looking ahead: what a row's next pass will most likely ask for is computed beside the pass that decides it.
//!
//! Where no block sees a later one, a pass computes a few positions and takes as long as reading the weights, so a
//! few more cost little. The guess is what the policy would choose now if this pass said what the last one did. If
//! the row then asks for exactly that, the answer is there, with the bits it would have had; if not, it is thrown
//! away.

use crate::reach::{JobCache, Reach};
use crate::schedule::{Block, Frame, RevealSchedule};
use crate::{Candidate, Choice};
use mosa_core::{Canvas, TokenId};
use std::ops::Range;
use tch::Tensor;

/// What a row keeps to look ahead.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// The masked positions of the latest step, and what would have been committed there.
    pub last: Vec<Candidate>,
    /// What was computed beside the latest pass.
    pub beside: Option<(Guess, Tensor)>,
    /// Passes that did not have to be made.
    pub right: usize,
}

/// A pass that a row may ask for next.
#[derive(Debug)]
pub(crate) struct Guess {
    /// The canvas up to the end of what is computed.
    pub tokens: Vec<TokenId>,
    /// The positions whose logits are wanted.
    pub positions: Vec<usize>,
    pub reach: Reach,
}

/// What a guess is made from.
pub(crate) struct Sight<'a> {
    pub canvas: &'a Canvas,
    pub schedule: &'a dyn RevealSchedule,
    pub frame: &'a Frame,
    /// Number and positions of the current block.
    pub block: usize,
    pub range: &'a Range<usize>,
    /// The masked positions the pass at hand asks for.
    pub positions: &'a [usize],
    /// Tokens behind whose block a row may end.
    pub ends: &'a [TokenId],
}

impl Ahead {
    /// The logits of the pass that is asked for, if they were computed beside the latest one.
    pub(crate) fn known(&mut self, canvas: &Canvas, positions: &[usize], reach: &Reach) -> Option<Tensor> {
        let (guess, logits) = self.beside.take()?;
        let same = guess.reach == *reach && guess.positions == positions && canvas.tokens().starts_with(&guess.tokens);
        same.then_some(logits)
    }

    /// What will be asked for behind the pass at hand, where the latest step has a word on all it asks for. `choose`
    /// is the policy at the pass at hand.
    pub(crate) fn guess(&self, sight: &Sight<'_>, choose: impl FnOnce(&[Candidate]) -> Vec<Choice>) -> Option<Guess> {
        let asked = |c: &&Candidate| sight.positions.contains(&c.position);
        let known: Vec<Candidate> = self.last.iter().filter(asked).copied().collect();
        if known.len() < sight.positions.len() {
            return None;
        }
        let chosen = choose(&known);
        let mut tokens = sight.canvas.tokens()[..sight.range.end].to_vec();
        for c in chosen.iter().map(|&i| known[i]) {
            tokens[c.position] = c.token;
        }
        let mask = sight.canvas.mask();
        let left: Vec<usize> = sight.range.clone().filter(|&p| tokens[p] == mask).collect();
        if left.is_empty() {
            return sight.next_block(tokens);
        }
        let reach = Reach { computed: sight.range.clone(), from: sight.range.start, cache: JobCache::Read };
        (left.len() < sight.positions.len()).then_some(Guess { tokens, positions: left, reach })
    }
}

impl Sight<'_> {
    /// The first pass of the next block, which computes this one with the tokens it ends with.
    fn next_block(&self, mut tokens: Vec<TokenId>) -> Option<Guess> {
        let stops = tokens[self.range.clone()].iter().any(|token| self.ends.contains(token));
        if stops || self.block + 1 >= self.schedule.blocks(self.frame) {
            return None;
        }
        let Block { positions: next, .. } = self.schedule.block(self.frame, self.block + 1);
        tokens.extend_from_slice(&self.canvas.tokens()[self.range.end..next.end]);
        let positions = self.canvas.masked(next.clone());
        let reach = Reach { computed: self.range.start..next.end, from: next.start, cache: JobCache::Read };
        (!positions.is_empty()).then_some(Guess { tokens, positions, reach })
    }
}
