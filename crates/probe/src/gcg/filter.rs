//! Which tokens and which suffixes a candidate may hold.

use mosa_core::TokenId;
use mosa_model::ModelSpec;
use mosa_text::{Specials, TextModel, Tokenizer};
use std::ops::Range;

/// Decides whether a prompt is kept, given where its suffix stands.
pub type Keep<'a> = dyn Fn(&[TokenId], Range<usize>) -> bool + 'a;

/// Both filters of a search.
pub struct Filter<'a> {
    /// Tokens a candidate may hold.
    pub allowed: AllowedTokens,
    /// Called with every drawn prompt.
    pub keep: Box<Keep<'a>>,
}

impl<'a> Filter<'a> {
    /// The usual filter: printable tokens that are not special, and only suffixes that the tokeniser gives back as
    /// they are, so that the suffix can be typed.
    pub fn typed(text: &'a TextModel, spec: &ModelSpec, ascii_only: bool) -> Self {
        Self {
            allowed: AllowedTokens::printable(text, spec, ascii_only),
            keep: Box::new(suffix_round_trip(&text.tokenizer)),
        }
    }

    /// Every token but mask, end and padding; every suffix. For models without a tokeniser.
    pub fn any(spec: &ModelSpec) -> Self {
        Self { allowed: AllowedTokens::ordinary(spec), keep: Box::new(|_, _| true) }
    }
}

/// A set of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedTokens(Vec<bool>);

impl AllowedTokens {
    /// The tokens for which `allow` holds.
    pub fn new(vocab: usize, allow: impl Fn(TokenId) -> bool) -> Self {
        Self((0..vocab as TokenId).map(allow).collect())
    }

    /// Every token but mask, end and padding.
    pub fn ordinary(spec: &ModelSpec) -> Self {
        Self::new(spec.vocab, |t| ![spec.mask, spec.eos, spec.pad].contains(&t))
    }

    /// Tokens whose text is printable on its own: not empty, no control characters, no part of a character. Special
    /// tokens and rows of the embedding without a token are out. `ascii_only` keeps plain ASCII.
    pub fn printable(text: &TextModel, spec: &ModelSpec, ascii_only: bool) -> Self {
        let special = [Some(spec.mask), Some(spec.eos), Some(spec.pad), text.special.eot];
        Self::new(spec.vocab, |token| {
            let shown = text.tokenizer.decode(&[token], Specials::Skip).unwrap_or_default();
            let printable = !shown.is_empty() && !shown.chars().any(|c| c.is_control() || c == '\u{fffd}');
            printable && (!ascii_only || shown.is_ascii()) && !special.contains(&Some(token))
        })
    }

    /// Whether `token` is in the set.
    pub fn contains(&self, token: TokenId) -> bool {
        self.0.get(token as usize).copied().unwrap_or(false)
    }

    /// Number of tokens in the set.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|&&a| a).count()
    }

    /// One entry per row of the embedding.
    pub(super) fn as_slice(&self) -> &[bool] {
        &self.0
    }
}

/// Keeps a prompt if its suffix, decoded and encoded again by itself, has the same ids (as in the published code). What
/// the tokeniser refuses is not kept.
pub fn suffix_round_trip(tokenizer: &Tokenizer) -> impl Fn(&[TokenId], Range<usize>) -> bool {
    move |prompt, suffix| prompt.get(suffix).is_some_and(|ids| round_trip(tokenizer, ids))
}

/// Keeps a prompt if all of it, decoded and encoded again, has the same ids. Stricter than [`suffix_round_trip`]: also
/// the borders of the suffix survive.
pub fn prompt_round_trip(tokenizer: &Tokenizer) -> impl Fn(&[TokenId], Range<usize>) -> bool {
    move |prompt, _| round_trip(tokenizer, prompt)
}

fn round_trip(tokenizer: &Tokenizer, ids: &[TokenId]) -> bool {
    let again = tokenizer.decode(ids, Specials::Keep).and_then(|text| tokenizer.encode(&text));
    again.is_ok_and(|again| again == ids)
}
