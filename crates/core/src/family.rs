//! What a family of models says to rooms that have no tensors.

use std::fmt;

/// A family of masked diffusion language models. Its values stand where the family's configuration is read; everybody else
/// asks for the fact, never for the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Family {
    /// Its name as it is shown.
    pub name: &'static str,
    /// The tokens that end a turn in its checkpoints, the usual one first; at least one.
    pub turn_ends: &'static [&'static str],
    /// How its published code decodes.
    pub sampler: DefaultSampler,
}

/// The kinds of sampler that published code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefaultSampler {
    /// Blocks of the response, left to right (LLaDA).
    Blocks,
    /// A grid of time steps over the whole canvas (Dream).
    Timesteps,
    /// Blocks on a grid of canvas positions, prompt included, none of which sees a later one (SDAR, LLaDA2).
    BlockDiffusion {
        /// The probability from which on a position is revealed whatever the quota, in hundredths.
        threshold_percent: u8,
    },
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
