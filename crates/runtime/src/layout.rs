//! From a request in words to tokens on a canvas.

use crate::RuntimeError;
use crate::ask::{Ask, When, Words};
use crate::edit::{State, Write};
use crate::until::Until;
use mosa_core::TokenId;
use mosa_engine::{Answer, Intervention, Options, Request};
use mosa_text::{Prompt, TextModel};
use std::ops::Range;
use std::sync::Arc;

/// Most masks of one gap; a text of a helper may ask for any number.
const MOST_MASKS: usize = 65_536;

/// A prompt, a response and its sampler, and what is written into it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub prompt: Vec<TokenId>,
    /// How it is decoded; has the response's length.
    pub options: Options,
    /// (response offset, token) that stand there from the beginning.
    pub forced: Vec<(usize, TokenId)>,
    /// What is written later.
    pub writes: Vec<Write>,
    /// Texts that end the answer.
    pub until: Vec<String>,
}

impl Layout {
    /// Where everything of a request stands.
    pub(crate) fn new(text: &TextModel, options: &Options, asked: &Ask) -> Result<Self, RuntimeError> {
        let mut layout =
            if asked.infill { Self::gaps(text, options, asked)? } else { Self::plain(text, options, asked)? };
        layout.options.temperature = asked.temperature.unwrap_or(options.temperature);
        layout.write_later(text, asked)?;
        Ok(layout)
    }

    fn plain(text: &TextModel, options: &Options, asked: &Ask) -> Result<Self, RuntimeError> {
        let gen_length = asked.gen_length.unwrap_or(options.gen_length);
        let mut forced = Vec::new();
        for w in asked.written.iter().filter(|w| w.when == When::Step(0)) {
            forced.extend((w.offset..).zip(tokens(text, w.offset, &w.words)?));
        }
        if let Some((offset, _)) = forced.iter().find(|(at, _)| *at >= gen_length) {
            let what =
                format!("words are forced at response offset {offset}, but the response has {gen_length} positions");
            return Err(RuntimeError::Request(what));
        }
        let prompt = text.encode_with(&asked.prompt, &asked.prefix)?;
        let stretched = asked.gen_length.map(|length| options.resized(length));
        let options = stretched.unwrap_or_else(|| options.clone());
        Ok(Self { prompt, options, forced, writes: Vec::new(), until: asked.until.clone() })
    }

    /// Masks inside the prompt: the canvas is the prompt from its first mask on, what stands between masks is given, and
    /// the response's own masks follow. One position per step, whatever the template: as the published code of DIJA does.
    fn gaps(text: &TextModel, options: &Options, asked: &Ask) -> Result<Self, RuntimeError> {
        if asked.written.iter().any(|w| w.when == When::Step(0)) {
            return Err(RuntimeError::Request("what stands between gaps is said in the prompt itself".into()));
        }
        if !asked.prefix.is_empty() {
            return Err(RuntimeError::Request(
                "words that an answer goes on from and gaps in the prompt exclude each other".into(),
            ));
        }
        let marked = with_masks(text, &asked.prompt)?;
        let mask = text.special.mask;
        let Some(first) = marked.iter().position(|t| *t == mask) else {
            return Err(RuntimeError::Request("the prompt has no <mask:N> to fill".into()));
        };
        let (head, rest) = marked.split_at(first);
        let forced = rest.iter().copied().enumerate().filter(|(_, t)| *t != mask).collect();
        let gen_length = rest.len() + asked.gen_length.unwrap_or(options.gen_length);
        let options = options.resized(gen_length).one_per_step();
        Ok(Self { prompt: head.to_vec(), options, forced, writes: Vec::new(), until: asked.until.clone() })
    }

    /// The words that come in the middle of the decode.
    fn write_later(&mut self, text: &TextModel, asked: &Ask) -> Result<(), RuntimeError> {
        let Options { gen_length, ends, stop_at_end, block_stops, .. } = &self.options;
        for w in asked.written.iter().filter(|w| w.when != When::Step(0)) {
            let mut tokens: Vec<(usize, TokenId)> = (w.offset..).zip(tokens(text, w.offset, &w.words)?).collect();
            if let When::Revealed(_) = w.when {
                tokens.retain(|(at, _)| at < gen_length);
            }
            if let Some((offset, _)) = tokens.iter().find(|(at, _)| at >= gen_length) {
                let what = format!("words are written at response offset {offset} of {gen_length}");
                return Err(RuntimeError::Request(what));
            }
            self.writes.push(Write {
                when: w.when,
                tokens,
                remask: w.remask,
                keep: Vec::new(),
                ends: std::iter::once(ends.eos).chain(ends.eot).filter(|_| *stop_at_end).collect(),
                stops: block_stops.clone(),
                state: State::default(),
            });
        }
        Ok(())
    }

    /// Response offsets between which words were written from outside. Which of their positions were revealed in time
    /// the answer says.
    pub(crate) fn written(&self, answer: &Answer) -> Option<Range<usize>> {
        let later = |write: &Write| match write.when {
            When::Step(_) => write.tokens.iter().map(|(at, _)| *at).collect(),
            When::Revealed(_) => write.written(answer, self.prompt.len()).collect::<Vec<_>>(),
        };
        let all: Vec<usize> = self.forced.iter().map(|(at, _)| *at).chain(self.writes.iter().flat_map(later)).collect();
        Some(*all.iter().min()?..all.iter().max()? + 1)
    }

    /// The request of the engine: what is written, then `guards`, then what only watches.
    pub(crate) fn request(&self, id: &str, text: &Arc<TextModel>, guards: Vec<Box<dyn Intervention>>) -> Request {
        let keep: Vec<usize> = self.forced.iter().map(|(at, _)| *at).collect();
        let edits = self.writes.iter().map(|write| {
            let write = Write { keep: keep.clone(), ..write.clone() };
            Box::new(write) as Box<dyn Intervention>
        });
        let until = Until::new(text, &self.until).map(|until| Box::new(until) as Box<dyn Intervention>);
        Request::new(id, self.prompt.clone(), &self.options)
            .with_forced(self.forced.iter().copied())
            .with_interventions(edits.chain(guards).chain(until).collect())
    }
}

fn tokens(text: &TextModel, offset: usize, words: &Words) -> Result<Vec<TokenId>, RuntimeError> {
    match words {
        Words::Text(words) => words_at(text, offset, words),
        Words::Tokens(tokens) => Ok(tokens.clone()),
    }
}

/// The tokens of words that stand at an offset of a response: behind others, they begin with a space.
///
/// # Errors
/// [`RuntimeError::Text`] if the tokeniser fails or the words hold the mask token.
pub fn words_at(text: &TextModel, offset: usize, words: &str) -> Result<Vec<TokenId>, RuntimeError> {
    let spaced = offset > 0 && !words.starts_with(char::is_whitespace);
    Ok(text.words(&if spaced { format!(" {words}") } else { words.to_owned() })?)
}

/// The prompt with N mask tokens for every `<mask:N>`.
fn with_masks(text: &TextModel, prompt: &Prompt) -> Result<Vec<TokenId>, RuntimeError> {
    let rendered = match prompt {
        Prompt::Chat(messages) => text.template()?.render(messages, true)?,
        Prompt::Raw(words) => words.clone(),
        Prompt::Ids(ids) => return Ok(ids.clone()),
    };
    let (mut ids, mut rest) = (Vec::new(), rendered.as_str());
    while let Some(start) = rest.find("<mask:") {
        let inside = &rest[start + "<mask:".len()..];
        let Some((number, behind)) = inside.split_once('>') else { break };
        let count: usize = number
            .trim()
            .parse()
            .map_err(|_| RuntimeError::Request(format!("<mask:{number}> does not say how many masks")))?;
        if count > MOST_MASKS {
            return Err(RuntimeError::Request(format!("<mask:{number}> asks for more than {MOST_MASKS} masks")));
        }
        ids.extend(text.tokenizer.encode(&rest[..start])?);
        ids.extend(std::iter::repeat_n(text.special.mask, count));
        rest = behind;
    }
    ids.extend(text.tokenizer.encode(rest)?);
    Ok(ids)
}
