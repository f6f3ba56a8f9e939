//! A prompt that words stand behind: what a model goes on from, and what it is to choose among.

use crate::{Prompt, TextError, TextModel};
use mosa_core::TokenId;

/// A prompt in tokens, and the words that may stand behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continued {
    /// The prompt.
    pub prompt: Vec<TokenId>,
    /// The tokens of each of the words.
    pub behind: Vec<Vec<TokenId>>,
}

/// What stands before words: tokens that are fixed, and text that is tokenised together with them.
struct Before {
    ids: Vec<TokenId>,
    text: String,
}

impl TextModel {
    /// The ids of a prompt that ends in `prefix`: behind a conversation these words begin the turn that is to be
    /// answered.
    ///
    /// # Errors
    /// As [`TextModel::encode`].
    pub fn encode_with(&self, prompt: &Prompt, prefix: &str) -> Result<Vec<TokenId>, TextError> {
        if prefix.is_empty() {
            return self.encode(prompt);
        }
        let before = self.before(prompt, prefix)?;
        self.without_masks("text", [before.ids, self.tokenizer.encode(&before.text)?].concat())
    }

    /// The same prompt, and each of the `words` behind it. White space that the prompt ends in belongs to the words.
    /// Their tokens are those of both together without as many as the prompt alone has, as lm-eval splits them: a
    /// tokeniser that joins the two ends of a seam does not move it.
    ///
    /// # Errors
    /// As [`TextModel::encode`].
    pub fn encode_behind(&self, prompt: &Prompt, prefix: &str, words: &[String]) -> Result<Continued, TextError> {
        let Before { ids, mut text } = self.before(prompt, prefix)?;
        let blank = text.split_off(text.trim_end().len());
        let alone = self.tokenizer.encode(&text)?;
        let behind = |words: &String| {
            let whole = self.tokenizer.encode(&[&text, &blank, words.as_str()].concat())?;
            self.without_masks("text", whole.into_iter().skip(alone.len()).collect())
        };
        let behind = words.iter().map(behind).collect::<Result<_, _>>()?;
        Ok(Continued { prompt: self.without_masks("text", [ids, alone].concat())?, behind })
    }

    fn before(&self, prompt: &Prompt, prefix: &str) -> Result<Before, TextError> {
        let (ids, mut text) = match prompt {
            Prompt::Ids(ids) => (ids.clone(), String::new()),
            Prompt::Raw(text) => (Vec::new(), text.clone()),
            Prompt::Chat(messages) => {
                self.special.require_turn_end()?;
                (Vec::new(), self.template()?.render(messages, true)?)
            }
        };
        text.push_str(prefix);
        Ok(Before { ids, text })
    }
}
