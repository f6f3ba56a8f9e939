//! Ids with a meaning of their own, and which strings carry it in each family.

use crate::{TextError, Tokenizer, files, ids};
use mosa_core::{DefaultSampler, Family, TokenId};
use serde_json::Value;
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
    /// Further ids that end an answer: of generation_config.json, where the family's published sampler stops at them.
    further: Vec<TokenId>,
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
        let eot = tokenizer.token_id(turn_end);
        let mut further = match family.sampler {
            DefaultSampler::BlockDiffusion { .. } => generation_ends(dir, tokenizer)?,
            _ => Vec::new(),
        };
        further.retain(|id| *id != eos && Some(*id) != eot);
        Ok(Self { mask, eos, pad, eot, further, turn_end })
    }

    /// The tokens that end an answer: eos, the end of turn where there is one, and what generation_config.json adds.
    pub fn ends(&self) -> Vec<TokenId> {
        std::iter::once(self.eos).chain(self.eot).chain(self.further.iter().copied()).collect()
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

/// `eos_token_id` of generation_config.json: an id or a list of them.
fn generation_ends(dir: &Path, tokenizer: &Tokenizer) -> Result<Vec<TokenId>, TextError> {
    let file = dir.join("generation_config.json");
    let map = files::read_object(&file)?.unwrap_or_default();
    let ids = match map.get("eos_token_id") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.as_slice(),
        Some(id) => std::slice::from_ref(id),
    };
    let token = |value: &Value| {
        let id = value.as_u64().and_then(|n| TokenId::try_from(n).ok()).filter(|id| tokenizer.token(*id).is_some());
        id.ok_or_else(|| {
            let what = format!("`eos_token_id` holds {value}, which is no token of {}", tokenizer.file().display());
            files::malformed(&file, format!("{what}: name the ids of the tokens that end an answer"))
        })
    };
    ids.iter().map(token).collect()
}
