//! An answer on its canvas, some of its positions masked.

use super::CanvasIds;
use crate::AlignConfig;
use crate::example::{Example, Part};
use crate::options::{CanvasState, KlDirection};
use mosa_core::TokenId;

/// How answers are put onto a canvas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covering {
    pub length: usize,
    pub share: f64,
    pub direction: KlDirection,
    canvas: CanvasState,
    ids: CanvasIds,
}

impl Covering {
    pub(super) fn new(config: &AlignConfig, ids: CanvasIds) -> Self {
        Self {
            length: config.canvas_length,
            share: 1.0 / config.batch_size as f64,
            direction: config.kl.direction,
            canvas: config.canvas,
            ids,
        }
    }

    /// The answer with the tail of end tokens that fills its canvas.
    pub(super) fn padded(&self, answer: &[TokenId]) -> Vec<TokenId> {
        super::padded(answer, self.ids.eos, self.length)
    }

    /// A sentence without the end token that [`Covering::padded`] puts behind it.
    pub(super) fn unended<'a>(&self, sentence: &'a [TokenId]) -> &'a [TokenId] {
        sentence.strip_suffix(&[self.ids.eos]).unwrap_or(sentence)
    }

    /// The canvas of a prompt and a written response of which the `masked` offsets are hidden, without a term.
    pub(super) fn example(&self, prompt: &[TokenId], written: Vec<TokenId>, masked: &[usize]) -> Example {
        let mut response = written.clone();
        for &i in masked {
            response[i] = self.ids.mask;
        }
        Example {
            record: 0,
            part: Part::Aligned,
            prompt: prompt.len(),
            canvas: prompt.iter().copied().chain(response).collect(),
            written: if self.canvas == CanvasState::Teacher { vec![written] } else { Vec::new() },
            share: self.share,
            linear: Vec::new(),
            kl: Vec::new(),
            direction: self.direction,
            reward: None,
            preference: None,
            windows: Vec::new(),
        }
    }
}
