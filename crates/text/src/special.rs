//! Ids with a meaning of their own, and which strings carry it in each family.

use crate::{TextError, Tokenizer, ids};
use mosa_core::{Family, TokenId};
use std::path::Path;

/// The special ids of one checkpoint: mask, eos and pad from its config, the rest looked up in its tokeniser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialIds {
    /// The mask token.
    pub mask: TokenId,
    /// End of text; fills the tail of an answer.
    pub eos: TokenId,
    /// Padding; often the same as eos.
    pub pad: TokenId,
    /// End of a turn, if the tokeniser has it (base checkpoints may not).
    pub eot: Option<TokenId>,
    turn_end: &'static str,
}

/// The string that ends a turn: the first of the family's that the tokeniser has.
fn turn_end(family: Family, tokenizer: &Tokenizer) -> &'static str {
    let known = family.turn_ends.iter().find(|token| tokenizer.token_id(token).is_some());
    known.or(family.turn_ends.first()).copied().unwrap_or_default()
}

impl SpecialIds {
    pub(crate) fn resolve(
        dir: &Path,
        tokenizer: &Tokenizer,
        family: Family,
        [mask, eos, pad]: [TokenId; 3],
    ) -> Result<Self, TextError> {
        let turn_end = turn_end(family, tokenizer);
        ids::check(dir, tokenizer, ids::ConfigIds { mask, eos, pad }, turn_end)?;
        Ok(Self { mask, eos, pad, eot: tokenizer.token_id(turn_end), turn_end })
    }

    /// The tokens that end an answer: eos, and the end of turn where there is one.
    pub fn ends(&self) -> Vec<TokenId> {
        std::iter::once(self.eos).chain(self.eot).collect()
    }

    /// The text of the token that ends a turn in this family.
    pub fn turn_end(&self) -> &'static str {
        self.turn_end
    }

    /// The end-of-turn id.
    ///
    /// # Errors
    /// [`TextError::NoTurnEnd`] if the tokeniser has no such token.
    pub fn require_turn_end(&self) -> Result<TokenId, TextError> {
        self.eot.ok_or(TextError::NoTurnEnd { token: self.turn_end })
    }
}
