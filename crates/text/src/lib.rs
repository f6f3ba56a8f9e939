//! From words to token ids and back: tokenisers, chat templates, special tokens and prompt files.
//!
//! Everything is read from the checkpoint folder; no id is a constant in code. A [`TextModel`] bundles what belongs
//! to one checkpoint: its [`Tokenizer`], its [`ChatTemplate`] if it has one, and its [`SpecialIds`].
//!
//! Three rules hold for every command. The files of a checkpoint have to mean the same by every id (`ids.rs`). A prompt, an
//! answer or a phrase that is given in words or ids holds no mask: its text is refused, since the engine would fill it; only
//! who asks for infilling makes masks. And what is read is bounded: a text has at most [`MAX_TEXT`] bytes, a template has
//! fuel, a limit on what it writes and a stack of its own, and a tokeniser a limit on time and growth.

mod chat;
mod continued;
mod conversation;
mod delimited;
mod error;
mod files;
mod growth;
mod ids;
mod json_rows;
mod literal;
mod prompts;
mod quiet;
mod qwen;
mod row;
mod rows;
mod sample;
mod special;
mod template;
mod tokenizer;

pub use chat::ChatTemplate;
pub use continued::Continued;
pub use error::TextError;
pub use mosa_core::{Message, Role};
pub use prompts::{Columns, Prompt, PromptRecord, Prompts, prompts_of};
pub use row::{Row, TableRow};
pub use rows::{parse_headless_rows, parse_rows, text_of_bytes};
pub use sample::stratified_sample;
pub use special::SpecialIds;
pub use tokenizer::{Specials, Tokenizer};

use mosa_core::{Family, TokenId};
use std::path::Path;

/// The most bytes of text that are rendered or tokenised at once: several times what the largest context holds, and little
/// enough that memory and time stay bounded.
pub const MAX_TEXT: usize = 2 * 1024 * 1024;

/// Everything a checkpoint says about text.
#[derive(Debug)]
pub struct TextModel {
    /// Words to ids and back.
    pub tokenizer: Tokenizer,
    /// The checkpoint's chat template; base checkpoints have none.
    pub chat: Option<ChatTemplate>,
    /// Ids with a meaning of their own.
    pub special: SpecialIds,
}

impl TextModel {
    /// Reads tokeniser and chat template of the checkpoint in `dir`, whose config.json names the ids `mask`, `eos`, `pad`.
    ///
    /// # Errors
    /// [`TextError`] if a file is missing or malformed, or if the tokeniser does not know one of the ids.
    pub fn load(dir: &Path, family: Family, [mask, eos, pad]: [TokenId; 3]) -> Result<Self, TextError> {
        let tokenizer = Tokenizer::load(dir)?;
        let special = SpecialIds::resolve(dir, &tokenizer, family, [mask, eos, pad])?;
        Ok(Self { tokenizer, chat: ChatTemplate::load(dir)?, special })
    }

    /// Checks that a model whose embedding has `rows` rows has one for every token. More rows than tokens are fine.
    ///
    /// # Errors
    /// [`TextError::NoRow`] with the last token.
    pub fn fits(&self, rows: usize) -> Result<(), TextError> {
        match self.tokenizer.last() {
            Some((token, id)) if *id as usize >= rows => {
                let tokenizer = self.tokenizer.file().to_owned();
                Err(TextError::NoRow { tokenizer, token: token.clone(), id: *id, rows })
            }
            _ => Ok(()),
        }
    }

    /// The chat template.
    ///
    /// # Errors
    /// [`TextError::NoChatTemplate`] if the checkpoint has none.
    pub fn template(&self) -> Result<&ChatTemplate, TextError> {
        let turn_end = self.special.require_turn_end().ok().map(|_| self.special.turn_end());
        self.chat.as_ref().ok_or(TextError::NoChatTemplate { turn_end })
    }

    /// The ids of one prompt: a conversation goes through the chat template, raw text does not. A prompt holds no mask: the
    /// engine would fill it.
    ///
    /// # Errors
    /// [`TextError`] if the checkpoint has no chat template, the template refuses the messages, or the prompt holds the
    /// mask token.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<TokenId>, TextError> {
        let what = if matches!(prompt, Prompt::Ids(_)) { "list of token ids" } else { "text" };
        self.without_masks(what, self.encode_gaps(prompt)?)
    }

    /// The same for a prompt whose masks are gaps that somebody asked to fill.
    ///
    /// # Errors
    /// [`TextError`] if the checkpoint has no chat template or the template refuses the messages.
    pub fn encode_gaps(&self, prompt: &Prompt) -> Result<Vec<TokenId>, TextError> {
        match prompt {
            Prompt::Ids(ids) => Ok(ids.clone()),
            Prompt::Raw(text) => self.tokenizer.encode(text),
            Prompt::Chat(messages) => {
                let template = self.template()?;
                self.special.require_turn_end()?;
                self.tokenizer.encode(&template.render(messages, true)?)
            }
        }
    }

    /// The ids of text that stands for itself, as in an answer, a forced phrase or a sentence.
    ///
    /// # Errors
    /// [`TextError`] if the tokeniser fails or the text holds the mask token.
    pub fn words(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        self.without_masks("text", self.tokenizer.encode(text)?)
    }

    fn without_masks(&self, what: &'static str, ids: Vec<TokenId>) -> Result<Vec<TokenId>, TextError> {
        let id = self.special.mask;
        match ids.iter().filter(|t| **t == id).count() {
            0 => Ok(ids),
            count => {
                let token = self.tokenizer.token(id).unwrap_or_default();
                Err(TextError::Mask { what, token, id, count })
            }
        }
    }

    /// The answer a reader sees: `response` up to the first end token, without special tokens.
    ///
    /// # Errors
    /// [`TextError::Decode`] if the tokeniser fails.
    pub fn answer(&self, response: &[TokenId]) -> Result<String, TextError> {
        let ends = self.special.ends();
        let end = response.iter().position(|t| ends.contains(t)).unwrap_or(response.len());
        self.tokenizer.decode(&response[..end], Specials::Skip)
    }
}
