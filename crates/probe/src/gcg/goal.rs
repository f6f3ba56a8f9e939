//! What a suffix is searched for: a target phrase at an offset of the answer to a prompt.

use crate::ProbeError;
use mosa_core::TokenId;
use mosa_model::ModelSpec;
use std::ops::Range;

/// A prompt whose suffix may be changed, and the phrase it should bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Names the goal in messages; its hash is the key of every random draw.
    pub id: String,
    /// All prompt tokens, chat template and first suffix included.
    pub prompt: Vec<TokenId>,
    /// Where in the prompt the suffix stands.
    pub suffix: Range<usize>,
    /// The phrase.
    pub target: Vec<TokenId>,
    /// Response offset of its first token.
    pub offset: usize,
    /// Response positions.
    pub gen_length: usize,
}

impl Goal {
    /// Refuses a goal this model cannot be asked for.
    ///
    /// # Errors
    /// [`ProbeError::Goal`].
    pub fn check(&self, spec: &ModelSpec) -> Result<(), ProbeError> {
        let (len, suffix) = (self.prompt.len(), &self.suffix);
        if suffix.start >= suffix.end || suffix.end > len {
            return Err(self.wrong(format!("the suffix {suffix:?} is empty or outside the prompt of {len} tokens")));
        }
        if self.target.is_empty() {
            return Err(self.wrong("the target is empty"));
        }
        if self.target.len() > self.gen_length || self.offset > self.gen_length - self.target.len() {
            return Err(self.wrong(format!(
                "a target of {} tokens at offset {} does not fit a response of {} positions",
                self.target.len(),
                self.offset,
                self.gen_length
            )));
        }
        if self.gen_length > spec.max_length || len > spec.max_length - self.gen_length {
            return Err(self.wrong(format!(
                "{len} tokens plus gen-length {} exceed the model's context of {}",
                self.gen_length, spec.max_length
            )));
        }
        if let Some(bad) = self.prompt.iter().chain(&self.target).find(|&&t| t as usize >= spec.vocab) {
            return Err(self.wrong(format!("token {bad} is outside the vocabulary of {}", spec.vocab)));
        }
        if self.prompt.contains(&spec.mask) {
            return Err(self.wrong("the prompt holds the mask token, a gap that the model would fill; leave it out"));
        }
        if self.target.contains(&spec.mask) {
            return Err(self.wrong("the target holds the mask token"));
        }
        Ok(())
    }

    /// The suffix the prompt came with.
    pub fn first_suffix(&self) -> &[TokenId] {
        &self.prompt[self.suffix.clone()]
    }

    /// The prompt with another suffix of the same length.
    pub fn prompt_with(&self, suffix: &[TokenId]) -> Vec<TokenId> {
        [&self.prompt[..self.suffix.start], suffix, &self.prompt[self.suffix.end..]].concat()
    }

    /// The prompt with `suffix`, then a response of masks in which the target tokens numbered `revealed` stand.
    pub(crate) fn canvas(&self, suffix: &[TokenId], revealed: &[usize], mask: TokenId) -> Vec<TokenId> {
        let mut canvas = self.prompt_with(suffix);
        canvas.resize(canvas.len() + self.gen_length, mask);
        for &j in revealed {
            canvas[self.position(j)] = self.target[j];
        }
        canvas
    }

    /// Canvas position of target token `j`.
    pub(crate) fn position(&self, j: usize) -> usize {
        self.prompt.len() + self.offset + j
    }

    pub(crate) fn wrong(&self, what: impl ToString) -> ProbeError {
        ProbeError::Goal { id: self.id.clone(), what: what.to_string() }
    }
}

/// Where the tokens stand that a suffix added to a prompt: what `long` has between the beginning and the end that it
/// shares with `short`.
pub fn added_between(short: &[TokenId], long: &[TokenId]) -> Range<usize> {
    let start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let rest = short.len() - start;
    let end = short[start..].iter().rev().zip(long[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    start..long.len() - end.min(rest)
}

#[cfg(test)]
mod tests {
    use super::added_between;

    #[test]
    fn the_suffix_is_what_the_longer_prompt_has_more() {
        assert_eq!(added_between(&[1, 2, 9], &[1, 2, 5, 5, 9]), 2..4);
        assert_eq!(added_between(&[1, 2], &[1, 2, 5]), 2..3);
        // A merge with the last word of the prompt belongs to the suffix.
        assert_eq!(added_between(&[1, 2, 9], &[1, 7, 5, 9]), 1..3);
        // What repeats is not counted from both ends.
        assert_eq!(added_between(&[1, 5, 9], &[1, 5, 5, 5, 9]), 2..4);
    }
}
