//! The canvas: a prompt followed by a response region that starts as mask tokens and is revealed step by step.

use crate::TokenId;
use std::ops::Range;

/// Why a position changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Written from outside, before or during decoding (prefill, anchors). Counts as given, like the prompt.
    Forced,
    /// Revealed by the sampler.
    Committed,
    /// Revealed earlier and now replaced by the sampler (LLaDA2.1's editing).
    Revised,
    /// Turned back into a mask.
    Remasked,
}

impl Cause {
    /// In a word, as traces have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Committed => "committed",
            Self::Revised => "revised",
            Self::Remasked => "remasked",
        }
    }
}

/// One change of one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edit {
    /// Position on the whole canvas, prompt included.
    pub position: usize,
    /// The token that stands there now.
    pub token: TokenId,
    /// The token that stood there before.
    pub before: TokenId,
    /// Why it changed.
    pub cause: Cause,
    /// The probability the model gave the token; only for [`Cause::Committed`] and [`Cause::Revised`].
    pub confidence: Option<f32>,
}

/// A write the canvas refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanvasError {
    /// The position lies outside the canvas.
    #[error("position {position} is outside the canvas of {len} tokens")]
    Outside {
        /// The position asked for.
        position: usize,
        /// Length of the canvas.
        len: usize,
    },
    /// The sampler tried to reveal a position that is not masked.
    #[error("position {position} already holds token {token}")]
    NotMasked {
        /// The position asked for.
        position: usize,
        /// What stands there.
        token: TokenId,
    },
    /// The sampler tried to replace what is masked, or what it did not write.
    #[error("position {position} holds nothing that the sampler revealed")]
    NotRevealed {
        /// The position asked for.
        position: usize,
    },
}

/// Prompt and response of one sample.
///
/// Positions count from the first prompt token; response offset `k` is position `response_start + k`.
/// A prompt may itself contain mask tokens (templates with holes); they are positions to reveal like any other.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    tokens: Vec<TokenId>,
    given: Vec<bool>,
    response_start: usize,
    mask: TokenId,
    edits: Vec<Edit>,
}

impl Canvas {
    /// `prompt` followed by `response_len` masks.
    pub fn new(prompt: &[TokenId], response_len: usize, mask: TokenId) -> Self {
        let mut tokens = prompt.to_vec();
        tokens.resize(prompt.len() + response_len, mask);
        let given = tokens.iter().map(|&t| t != mask).collect();
        Self { tokens, given, response_start: prompt.len(), mask, edits: Vec::new() }
    }

    /// All tokens, prompt first.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// The response region, masks included.
    pub fn response(&self) -> &[TokenId] {
        &self.tokens[self.response_start..]
    }

    /// The position of response offset 0.
    pub fn response_start(&self) -> usize {
        self.response_start
    }

    /// Number of positions.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no position at all.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The mask token.
    pub fn mask(&self) -> TokenId {
        self.mask
    }

    /// Whether `position` still has to be revealed. Positions outside the canvas are not masked.
    pub fn is_masked(&self, position: usize) -> bool {
        self.tokens.get(position) == Some(&self.mask)
    }

    /// Whether `position` holds a token that the sampler revealed: neither a mask nor given from outside.
    pub fn is_revealed(&self, position: usize) -> bool {
        position < self.len() && !self.is_masked(position) && !self.given[position]
    }

    /// The masked positions inside `range`, in order.
    pub fn masked(&self, range: Range<usize>) -> Vec<usize> {
        range.filter(|&p| self.is_masked(p)).collect()
    }

    /// The canvas seen by the unconditional half of classifier-free guidance: every given token (prompt and forced
    /// tokens) replaced by the mask, what the sampler committed kept.
    pub fn unconditional(&self) -> Vec<TokenId> {
        self.tokens.iter().zip(&self.given).map(|(&t, &g)| if g { self.mask } else { t }).collect()
    }

    /// The first response position behind all given tokens that holds one of `ends`, with no mask between it and the
    /// response start. Whatever is revealed later, the text up to there stays; what was written into the response from
    /// outside is part of it.
    pub fn settled_end(&self, ends: &[TokenId]) -> Option<usize> {
        let start = self.response_start;
        let behind_given = self.given[start..].iter().rposition(|&g| g).map_or(0, |last| last + 1);
        self.response()
            .iter()
            .take_while(|&&t| t != self.mask)
            .enumerate()
            .position(|(at, t)| at >= behind_given && ends.contains(t))
            .map(|k| start + k)
    }

    /// Writes a token from outside the sampler; it counts as given from now on.
    ///
    /// # Errors
    /// [`CanvasError::Outside`] if there is no such position.
    pub fn force(&mut self, position: usize, token: TokenId) -> Result<(), CanvasError> {
        self.write(position, token, Cause::Forced, None)?;
        self.given[position] = token != self.mask;
        Ok(())
    }

    /// Reveals a masked position.
    ///
    /// # Errors
    /// [`CanvasError::NotMasked`] if the position already holds a token, [`CanvasError::Outside`] if it does not exist.
    pub fn commit(&mut self, position: usize, token: TokenId, confidence: f32) -> Result<(), CanvasError> {
        match self.tokens.get(position) {
            Some(&t) if t != self.mask => Err(CanvasError::NotMasked { position, token: t }),
            _ => self.write(position, token, Cause::Committed, Some(confidence)),
        }
    }

    /// Replaces a token that the sampler revealed.
    ///
    /// # Errors
    /// [`CanvasError::NotRevealed`] if the position is masked or given, [`CanvasError::Outside`] if it does not exist.
    pub fn revise(&mut self, position: usize, token: TokenId, confidence: f32) -> Result<(), CanvasError> {
        if position < self.len() && !self.is_revealed(position) {
            return Err(CanvasError::NotRevealed { position });
        }
        self.write(position, token, Cause::Revised, Some(confidence))
    }

    /// Turns a position back into a mask.
    ///
    /// # Errors
    /// [`CanvasError::Outside`] if there is no such position.
    pub fn remask(&mut self, position: usize) -> Result<(), CanvasError> {
        self.write(position, self.mask, Cause::Remasked, None)?;
        self.given[position] = false;
        Ok(())
    }

    /// Hands over the changes made since the last call, oldest first.
    pub fn take_edits(&mut self) -> Vec<Edit> {
        std::mem::take(&mut self.edits)
    }

    fn write(
        &mut self,
        position: usize,
        token: TokenId,
        cause: Cause,
        confidence: Option<f32>,
    ) -> Result<(), CanvasError> {
        let len = self.tokens.len();
        let slot = self.tokens.get_mut(position).ok_or(CanvasError::Outside { position, len })?;
        let before = std::mem::replace(slot, token);
        self.edits.push(Edit { position, token, before, cause, confidence });
        Ok(())
    }
}
