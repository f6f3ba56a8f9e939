//! The response window an objective looks at, and where a sentence may start inside it.

use std::ops::RangeInclusive;

/// A range of response offsets, 0-based, both ends included. Paper: tokens 20 to 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First offset inside.
    pub first: usize,
    /// Last offset inside.
    pub last: usize,
}

/// Where a sentence may start (the paper's text and its Algorithm 1 disagree; both readings are here).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The whole sentence lies inside the window: k in first..=last-len+1 (the paper's text).
    Contained,
    /// Only the start lies inside the window: k in first..=last (Algorithm 1 read literally).
    StartInside,
    /// One fixed start; 0 is the paper's Initial Alignment baseline.
    Fixed(usize),
}

/// No admissible start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The sentence has no tokens.
    #[error("the sentence is empty")]
    EmptySentence,
    /// The sentence does not fit into the window.
    #[error("a sentence of {sentence} tokens does not fit into the window {first}..={last} ({size} tokens)")]
    TooLong {
        /// Sentence length.
        sentence: usize,
        /// Window start.
        first: usize,
        /// Window end.
        last: usize,
        /// Window size.
        size: usize,
    },
    /// The sentence would run past the end of the canvas.
    #[error(
        "a sentence of {sentence} tokens starting at response offset {start} runs past the canvas of {canvas} tokens"
    )]
    PastCanvas {
        /// Sentence length.
        sentence: usize,
        /// Smallest start.
        start: usize,
        /// Response length.
        canvas: usize,
    },
}

impl Window {
    /// Number of offsets inside.
    pub fn size(&self) -> usize {
        (self.last + 1).saturating_sub(self.first)
    }

    /// The admissible starts of a sentence of `sentence` tokens on a response of `canvas` tokens; never empty.
    ///
    /// # Errors
    /// [`WindowError`] if there is none.
    pub fn starts(
        &self,
        placement: Placement,
        sentence: usize,
        canvas: usize,
    ) -> Result<RangeInclusive<usize>, WindowError> {
        if sentence == 0 {
            return Err(WindowError::EmptySentence);
        }
        let (first, last) = match placement {
            Placement::Fixed(k) => (k, k),
            Placement::StartInside => (self.first, self.last),
            Placement::Contained if sentence > self.size() => {
                let (first, last, size) = (self.first, self.last, self.size());
                return Err(WindowError::TooLong { sentence, first, last, size });
            }
            Placement::Contained => (self.first, self.last + 1 - sentence),
        };
        match canvas.checked_sub(sentence) {
            Some(end) if first <= end => Ok(first..=last.min(end)),
            _ => Err(WindowError::PastCanvas { sentence, start: first, canvas }),
        }
    }
}
