//! How far the next pass of a row reaches, and what of the rest is kept from earlier ones.

use crate::options::CacheMode;
use mosa_core::{Canvas, TokenId};
use mosa_model::Attention;
use std::ops::Range;

/// What a pass does with the row's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobCache {
    Unused,
    Fill,
    Read,
}

/// How far a pass reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The canvas positions to compute.
    pub computed: Range<usize>,
    /// From where on masks can be committed.
    pub from: usize,
    pub cache: JobCache,
}

/// What decides how far a pass reaches.
pub(crate) struct Now<'a> {
    pub canvas: &'a Canvas,
    /// Canvas positions of the current block.
    pub block: &'a Range<usize>,
    pub mode: CacheMode,
    /// Whom the tokens see, where no block sees a later one.
    pub attention: Option<Attention>,
    /// Whether interventions may write anywhere.
    pub acts: bool,
    /// Whether interventions may change hidden states, which only a whole pass shows.
    pub edits_hidden: bool,
    /// Whether the blocks are over.
    pub rest: bool,
    /// Positions before a window that are computed with it (see [`mosa_model::ModelSpec::lookback`]).
    pub lookback: usize,
}

/// The tokens that the cached keys and values of a row were computed from; none before its first cached pass.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Vec<TokenId>>);

impl Kept {
    /// What the next pass computes, and from where on masks can be committed.
    pub(crate) fn reach(&self, now: &Now<'_>) -> Reach {
        if now.attention.is_some() {
            return self.reach_of_blocks(now);
        }
        let len = now.canvas.len();
        let window = if now.mode == CacheMode::Prefix { now.block.start..len } else { now.block.clone() };
        let computed = window.start.saturating_sub(now.lookback)..window.end;
        match now.mode {
            CacheMode::None => Reach { computed: 0..len, from: 0, cache: JobCache::Unused },
            _ if now.rest => Reach { computed: 0..len, from: 0, cache: JobCache::Unused },
            _ if self.needs_whole_canvas(now, &computed) => Reach { computed: 0..len, from: 0, cache: JobCache::Fill },
            _ => Reach { computed, from: window.start, cache: JobCache::Read },
        }
    }

    /// The same where no block sees a later one: nothing behind the current block is computed, and of what stands before it
    /// only the blocks from the first on that changed since its keys and values were kept.
    fn reach_of_blocks(&self, now: &Now<'_>) -> Reach {
        let (end, from) = (now.block.end, if now.acts { 0 } else { now.block.start });
        let whole = |cache| Reach { computed: 0..end, from, cache };
        if now.mode == CacheMode::None {
            return whole(JobCache::Unused);
        }
        if now.edits_hidden {
            return whole(JobCache::Fill);
        }
        let masked = now.canvas.masked(from..end).first().copied();
        let wanted = masked.map_or(now.block.start, |first| first.min(now.block.start));
        let same = self.0.iter().flatten().zip(now.canvas.tokens()).take_while(|(a, b)| a == b).count();
        match block_start(now.attention, same.min(wanted.saturating_sub(now.lookback))) {
            0 => whole(JobCache::Fill),
            start => Reach { computed: start..end, from, cache: JobCache::Read },
        }
    }

    /// Whether a pass over `computed` alone would not do: nothing is cached yet, a token outside it is not the one its keys and
    /// values were computed from, or an intervention acts where only a whole pass reaches: on positions masked before the
    /// block, or on hidden states anywhere.
    fn needs_whole_canvas(&self, now: &Now<'_>, computed: &Range<usize>) -> bool {
        let Some(kept) = &self.0 else { return true };
        let tokens = now.canvas.tokens();
        let stale =
            kept[..computed.start] != tokens[..computed.start] || kept[computed.end..] != tokens[computed.end..];
        let reopened = now.acts && !now.canvas.masked(0..now.block.start).is_empty();
        stale || reopened || now.edits_hidden
    }

    /// After a pass: notes which tokens the cache now holds keys and values of.
    pub(crate) fn remember(&mut self, reach: &Reach, tokens: &[TokenId]) {
        let computed = reach.computed.clone();
        match (reach.cache, &mut self.0) {
            (JobCache::Fill, kept) => *kept = Some(tokens[computed].to_vec()),
            (JobCache::Read, Some(kept)) if computed.end > kept.len() => {
                kept.truncate(computed.start);
                kept.extend_from_slice(&tokens[computed]);
            }
            (JobCache::Read, Some(kept)) => kept[computed.clone()].copy_from_slice(&tokens[computed]),
            _ => {}
        }
    }

    /// Nothing is cached any more.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// The first position of the block of attention that holds this one.
fn block_start(attention: Option<Attention>, position: usize) -> usize {
    match attention {
        Some(Attention::BlockCausal { block }) => position - position % block.max(1),
        _ => 0,
    }
}
