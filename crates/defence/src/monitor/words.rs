//! Words of refusal and of compliance, as tokens.

use crate::DefenceError;
use mosa_engine::EngineError;
use mosa_text::{Specials, TextModel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tch::{Kind, Tensor};

/// Words of refusal: general ones, and what refusals of the embedded world are made of.
pub const REFUSAL: [&str; 14] = [
    "cannot",
    "sorry",
    "unable",
    "refuse",
    "decline",
    "unfortunately",
    "apologize",
    "illegal",
    "harmful",
    "unethical",
    "not",
    "no",
    "forbids",
    "banned",
];

/// Words of compliance, likewise.
pub const COMPLIANCE: [&str; 12] =
    ["sure", "certainly", "absolutely", "course", "here", "step", "first", "next", "then", "following", "begin", "now"];

/// A piece of a word that stands for it: the whole word, or at least so many characters of it.
const TELLING: usize = 4;

/// The two lists in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WordLists {
    /// Words of refusal.
    pub refusal: Vec<String>,
    /// Words of compliance.
    pub compliance: Vec<String>,
}

impl Default for WordLists {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        Self { refusal: owned(&REFUSAL), compliance: owned(&COMPLIANCE) }
    }
}

/// The tokens that monitors look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// First tokens of words of refusal.
    pub refusal: Vec<i64>,
    /// First tokens of words of compliance.
    pub compliance: Vec<i64>,
    /// All tokens that end an answer.
    pub ends: Vec<i64>,
}

impl Tokens {
    /// The first token of every word, as it is and capitalised, at the beginning of a text and behind a space. A token that is
    /// no telling part of its word, or stands in both lists, is left out.
    ///
    /// # Errors
    /// [`DefenceError`] if the tokeniser fails, or a list has no token.
    pub fn new(text: &TextModel, words: &WordLists) -> Result<Self, DefenceError> {
        let [refusal, compliance] = [firsts(text, &words.refusal)?, firsts(text, &words.compliance)?];
        let own = |of: &BTreeSet<i64>, other: &BTreeSet<i64>, key: &'static str| -> Result<Vec<i64>, DefenceError> {
            let ids: Vec<i64> = of.difference(other).copied().collect();
            if ids.is_empty() {
                return Err(DefenceError::Words { key });
            }
            Ok(ids)
        };
        let mut ends: Vec<i64> = text.special.ends().into_iter().map(i64::from).collect();
        ends.sort_unstable();
        ends.dedup();
        Ok(Self {
            refusal: own(&refusal, &compliance, "refusal")?,
            compliance: own(&compliance, &refusal, "compliance")?,
            ends,
        })
    }

    /// The probability of an end token, of logits [n, vocabulary], for each of the n, f32. It has a derivative.
    ///
    /// # Errors
    /// What the tensor library reports.
    pub fn ending(&self, logits: &Tensor) -> Result<Tensor, EngineError> {
        let ends = Tensor::f_from_slice(&self.ends)?.f_to_device(logits.device())?;
        let p = logits.f_softmax(-1, Kind::Float)?.f_index_select(1, &ends)?;
        Ok(p.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?)
    }

    /// ln of the sum of exp(logit) over words of refusal minus the same over words of compliance, one for each of logits
    /// [n, vocabulary], f32. The energy of a set of words is minus the first; what is common to all logits of a position
    /// falls out. It has a derivative.
    ///
    /// # Errors
    /// What the tensor library reports.
    pub fn gaps(&self, logits: &Tensor) -> Result<Tensor, EngineError> {
        let mass = |ids: &[i64]| -> Result<Tensor, EngineError> {
            let ids = Tensor::f_from_slice(ids)?.f_to_device(logits.device())?;
            let own = logits.f_index_select(1, &ids)?.f_to_kind(Kind::Float)?;
            Ok(own.f_logsumexp([-1i64].as_slice(), false)?)
        };
        Ok(mass(&self.refusal)?.f_sub(&mass(&self.compliance)?)?)
    }
}

fn firsts(text: &TextModel, words: &[String]) -> Result<BTreeSet<i64>, DefenceError> {
    let failed = |e: mosa_text::TextError| DefenceError::Runtime(e.into());
    let mut ids = BTreeSet::new();
    for word in words {
        let mut letters = word.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        for written in [word.clone(), format!(" {word}"), capital.clone(), format!(" {capital}")] {
            let Some(&first) = text.words(&written).map_err(failed)?.first() else { continue };
            let piece = text.tokenizer.decode(&[first], Specials::Skip).map_err(failed)?;
            let piece = piece.trim().to_lowercase();
            let whole = piece == word.to_lowercase();
            if whole || (piece.chars().count() >= TELLING && word.to_lowercase().starts_with(&piece)) {
                ids.insert(i64::from(first));
            }
        }
    }
    Ok(ids)
}
