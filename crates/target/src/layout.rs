//! From a request in words to tokens on a canvas.

use crate::TargetError;
use mosa_attack::{Generate, Message, Role};
use mosa_core::TokenId;
use mosa_text::{Prompt, TextModel};

/// Most masks of one gap; a text of a helper may ask for any number.
const MOST_MASKS: usize = 65_536;

/// A prompt, a response of `gen_length` positions, and what stands in it from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub prompt: Vec<TokenId>,
    pub gen_length: usize,
    /// (response offset, token).
    pub forced: Vec<(usize, TokenId)>,
}

impl Layout {
    /// Response offsets from the first forced token to behind the last.
    pub(crate) fn forced_range(&self) -> Option<(usize, usize)> {
        let first = self.forced.iter().map(|(at, _)| *at).min()?;
        let last = self.forced.iter().map(|(at, _)| *at).max()?;
        Some((first, last + 1))
    }
}

/// The conversation as the chat template takes it.
fn conversation(messages: &[Message]) -> Vec<mosa_text::Message> {
    let role = |role: Role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    messages.iter().map(|m| mosa_text::Message { role: role(m.role).to_owned(), content: m.content.clone() }).collect()
}

/// The conversation as tokens.
pub(crate) fn prompt(text: &TextModel, messages: &[Message]) -> Result<Vec<TokenId>, TargetError> {
    Ok(text.encode(&Prompt::Chat(conversation(messages)))?)
}

/// The tokens of words that stand at an offset of a response: behind others, they begin with a space.
pub(crate) fn words(text: &TextModel, offset: usize, words: &str) -> Result<Vec<TokenId>, TargetError> {
    let spaced = offset > 0 && !words.starts_with(char::is_whitespace);
    Ok(text.words(&if spaced { format!(" {words}") } else { words.to_owned() })?)
}

/// Where everything of a request stands.
pub(crate) fn lay_out(text: &TextModel, asked: &Generate, gen_length: usize) -> Result<Layout, TargetError> {
    if asked.infill {
        return infill(text, asked, gen_length);
    }
    let mut forced = Vec::new();
    for f in asked.forced.iter().filter(|f| f.step == 0) {
        forced.extend((f.offset..).zip(words(text, f.offset, &f.text)?));
    }
    if let Some((offset, _)) = forced.iter().find(|(at, _)| *at >= gen_length) {
        let what = format!("words are forced at response offset {offset}, but the response has {gen_length} positions");
        return Err(TargetError::Request(what));
    }
    Ok(Layout { prompt: prompt(text, &asked.messages)?, gen_length, forced })
}

/// Masks inside the prompt: the canvas is the prompt from its first mask on, what stands between masks is given, and
/// `gen_length` further masks follow.
fn infill(text: &TextModel, asked: &Generate, gen_length: usize) -> Result<Layout, TargetError> {
    let marked = prompt_with_masks(text, asked)?;
    let mask = text.special.mask;
    let Some(first) = marked.iter().position(|t| *t == mask) else {
        return Err(TargetError::Request("the prompt has no <mask:N> to fill".into()));
    };
    let (head, rest) = marked.split_at(first);
    let forced = rest.iter().copied().enumerate().filter(|(_, t)| *t != mask).collect();
    Ok(Layout { prompt: head.to_vec(), gen_length: rest.len() + gen_length, forced })
}

/// The rendered conversation with N mask tokens for every `<mask:N>`.
fn prompt_with_masks(text: &TextModel, asked: &Generate) -> Result<Vec<TokenId>, TargetError> {
    let rendered = text.template()?.render(&conversation(&asked.messages), true)?;
    let (mut ids, mut rest) = (Vec::new(), rendered.as_str());
    while let Some(start) = rest.find("<mask:") {
        let inside = &rest[start + "<mask:".len()..];
        let Some((number, behind)) = inside.split_once('>') else { break };
        let count: usize = number
            .trim()
            .parse()
            .map_err(|_| TargetError::Request(format!("<mask:{number}> does not say how many masks")))?;
        if count > MOST_MASKS {
            return Err(TargetError::Request(format!("<mask:{number}> asks for more than {MOST_MASKS} masks")));
        }
        ids.extend(text.tokenizer.encode(&rest[..start])?);
        ids.extend(std::iter::repeat_n(text.special.mask, count));
        rest = behind;
    }
    ids.extend(text.tokenizer.encode(rest)?);
    Ok(ids)
}
