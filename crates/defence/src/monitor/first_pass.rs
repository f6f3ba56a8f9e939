//! Monitors that are a function of the logits of the first pass, as a search that follows gradients takes them.

use super::{Tokens, monitor};
use crate::DefenceError;
use crate::steps::first_block;
use mosa_engine::{EngineError, Options};
use std::ops::Range;
use std::sync::Arc;
use tch::Tensor;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    PEos,
    RefusalMass,
}

/// One of them. High values are suspicious, so a value is its suspicion.
#[derive(Clone, Debug)]
pub struct FirstPass {
    signal: Signal,
    tokens: Arc<Tokens>,
}

impl FirstPass {
    /// Their names.
    pub const NAMES: [&'static str; 2] = ["p-eos", "refusal-mass"];

    /// The monitor of this name, which looks for these tokens.
    ///
    /// # Errors
    /// [`DefenceError`] if there is no such monitor, or it needs more than the first pass.
    pub fn new(name: &str, tokens: Tokens) -> Result<Self, DefenceError> {
        let signal = match monitor(name)?.name {
            "p-eos" => Signal::PEos,
            "refusal-mass" => Signal::RefusalMass,
            name => return Err(DefenceError::NoGradient { name, known: Self::NAMES.join(" and ") }),
        };
        Ok(Self { signal, tokens: Arc::new(tokens) })
    }

    /// The canvas positions it reads before the first step, behind a prompt of this many tokens.
    pub fn positions(&self, prompt: usize, options: &Options) -> Range<usize> {
        let block = first_block(prompt, options);
        match self.signal {
            Signal::PEos => block.start..block.end.min(block.start + 1),
            Signal::RefusalMass => block,
        }
    }

    /// What it reads off logits [n, vocabulary] of such positions, a tensor of n, whose mean over all of them is its value.
    ///
    /// # Errors
    /// What the tensor library reports.
    pub fn read(&self, logits: &Tensor) -> Result<Tensor, EngineError> {
        match self.signal {
            Signal::PEos => self.tokens.ending(logits),
            Signal::RefusalMass => self.tokens.gaps(logits),
        }
    }
}
