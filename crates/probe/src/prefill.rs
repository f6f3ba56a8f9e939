//! The prefill probe (MOSA, Fig. 3): words forced at an offset of the answer, the rest decoded as usual.

use crate::{Case, ForcedPhrase, ProbeError};
use mosa_core::{Rng, Stream, TokenId, sample_key};
use mosa_text::{Prompt, PromptRecord, TextModel};
use std::collections::BTreeMap;

/// Which words are forced where.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefill {
    /// Response offsets. Published: 0, 40, 80, 120, 160.
    pub offsets: Vec<usize>,
    /// Beginnings of a compliant answer, forced at offset 0.
    pub affirmative: Vec<String>,
    /// Pieces of a procedure, forced everywhere else.
    pub procedural: Vec<String>,
    /// Response positions.
    pub gen_length: usize,
    /// Seed of the choice of words.
    pub seed: u64,
}

impl Prefill {
    /// A case per offset and behaviour, offset after offset. Which phrase a behaviour gets at an offset depends on the
    /// seed, its id and the offset alone.
    ///
    /// # Errors
    /// [`ProbeError`] if a set of phrases is empty, an offset leaves no room for its phrases, or a prompt cannot be
    /// tokenised.
    pub fn cases(&self, text: &TextModel, behaviours: &[PromptRecord]) -> Result<Vec<Case>, ProbeError> {
        let mut cases = Vec::new();
        for &offset in &self.offsets {
            let (key, phrases) =
                if offset == 0 { ("affirmative", &self.affirmative) } else { ("procedural", &self.procedural) };
            if phrases.is_empty() {
                return Err(ProbeError::Setting { key, what: "holds no phrase".into() });
            }
            for behaviour in behaviours {
                let mut rng = Rng::at(self.seed, Stream::Phrases, offset as u64, sample_key(&behaviour.id));
                let phrase = &phrases[rng.below(phrases.len())];
                cases.push(self.case(text, behaviour, offset, phrase)?);
            }
        }
        Ok(cases)
    }

    fn case(
        &self,
        text: &TextModel,
        behaviour: &PromptRecord,
        offset: usize,
        phrase: &str,
    ) -> Result<Case, ProbeError> {
        // In the middle of a text the first word of a phrase has a space before it.
        let mut tokens = text.words(&if offset == 0 { phrase.to_owned() } else { format!(" {phrase}") })?;
        if tokens.is_empty() {
            tokens = text.words(phrase)?;
        }
        if offset.saturating_add(tokens.len()) >= self.gen_length {
            let what = format!(
                "{offset} plus the {} tokens of \"{phrase}\" leave no room in a response of {}; raise --gen-length",
                tokens.len(),
                self.gen_length
            );
            return Err(ProbeError::Setting { key: "offsets", what });
        }
        Ok(Case {
            forced: Some(ForcedPhrase { offset, tokens, text: phrase.to_owned() }),
            ..plain(text, behaviour, &format!("prefill/{offset}"))?
        })
    }
}

/// A behaviour asked as it is.
///
/// # Errors
/// [`ProbeError`] if the prompt cannot be tokenised.
pub fn plain(text: &TextModel, behaviour: &PromptRecord, group: &str) -> Result<Case, ProbeError> {
    let tags = [("style", &behaviour.style), ("category", &behaviour.category)];
    let tags = tags.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.clone()?)));
    Ok(Case {
        group: group.to_owned(),
        id: behaviour.id.clone(),
        behaviour: behaviour.prompt.words(),
        sent: String::new(),
        tags: tags.collect::<BTreeMap<_, _>>(),
        prompt: encoded(text, &behaviour.id, &behaviour.prompt)?,
        words: behaviour.prompt.clone(),
        forced: None,
    })
}

/// The ids of a prompt; an error names it.
pub(crate) fn encoded(text: &TextModel, id: &str, prompt: &Prompt) -> Result<Vec<TokenId>, ProbeError> {
    text.encode(prompt).map_err(|source| ProbeError::Prompt { id: id.to_owned(), source })
}
