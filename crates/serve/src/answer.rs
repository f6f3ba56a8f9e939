//! One answer: what is asked of a runtime, and what is made of what it says.

use crate::Fault;
use crate::asked::{Asked, Prefill, Prompted};
use crate::follow::Watch;
use crate::served::One;
use mosa_core::TokenId;
use mosa_engine::{Finish, Options};
use mosa_runtime::{Answered, Ask, Follower, Stack, When, Words, Written};
use mosa_text::{Specials, TextModel};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// What all answers to a request have in common.
pub(crate) struct Plan {
    pub options: Options,
    pub stack: Stack,
    /// Texts the answers are cut at.
    pub stop: Vec<String>,
    /// Most tokens of an answer that is decoded on a longer canvas.
    pub most: Option<usize>,
    /// Whether text stands as it is once nothing before it is masked.
    pub settles: bool,
    /// What was asked for of the canvas's length, where the sampler is stretched to it.
    gen_length: Option<usize>,
    prefill: Vec<Prefill>,
}

/// An answer as it is sent.
pub(crate) struct Said {
    pub text: String,
    pub finish: &'static str,
    pub answered: Answered,
    /// Tokens up to the end of the text.
    pub tokens: usize,
}

impl Plan {
    pub(crate) fn new(one: &One, asked: &Asked) -> Result<Self, Fault> {
        let mut options = one.options(&asked.knobs)?;
        // Chance has a say and nobody said which: asking again is to give another answer, and this one says its seed.
        if asked.knobs.seed.is_none() && options.temperature > 0.0 {
            options.seed = RandomState::new().build_hasher().finish() >> 12;
        }
        let stack = one.stack(asked.extension.defences.as_deref())?;
        // The length of a canvas is what people ask for by a number of tokens, unless they say both.
        let (gen_length, most) = match asked.knobs.gen_length {
            Some(_) => (None, asked.max_tokens),
            None => (asked.max_tokens, None),
        };
        let settles = stack.only_before() && options.schedule.plan().editing().is_none();
        let prefill = asked.extension.prefill.clone();
        Ok(Self { options, stack, stop: asked.stop.clone(), most, settles, gen_length, prefill })
    }

    /// The request of choice number `choice` of a prompt. Its name is the key of every random draw, so the same request has
    /// the same answer.
    pub(crate) fn ask(&self, prompted: Prompted, choice: usize) -> Ask {
        let written = |p: &Prefill| Written {
            offset: p.offset,
            words: Words::Text(p.text.clone()),
            when: When::Step(0),
            remask: false,
        };
        Ask {
            gen_length: self.gen_length,
            prefix: prompted.prefix,
            until: self.stop.clone(),
            written: self.prefill.iter().map(written).collect(),
            ..Ask::new(choice.to_string(), prompted.prompt)
        }
    }

    /// Decodes an answer on the caller's thread, which waits.
    pub(crate) fn answer(&self, one: &One, ask: &Ask, watch: &Arc<Watch>) -> Result<Said, Fault> {
        let turn = one.turn();
        let follower: Arc<dyn Follower> = Arc::clone(watch) as Arc<dyn Follower>;
        let answered = turn.runtime().defended(self.stack.clone()).followed(&self.options, ask, &follower);
        watch.over();
        self.said(turn.runtime().text(), answered?)
    }

    /// The text that is sent, and why it ends.
    fn said(&self, text: &TextModel, answered: Answered) -> Result<Said, Fault> {
        let ids = &answered.answer.ids;
        let end = end_of(text, ids);
        let cut = self.most.filter(|most| *most < end);
        let (mut words, mut finish) = match cut {
            Some(most) => (text.tokenizer.decode(&ids[..most], Specials::Skip).map_err(failed)?, "length"),
            None => (answered.shown.texts.to_end.clone(), ended(&answered.answer.finish, &answered.shown.finish)),
        };
        if let Some(at) = stop_at(&words, &self.stop) {
            words.truncate(at);
            finish = "stop";
        }
        // Clients take nothing that ended by itself for a broken answer, and ask again.
        if words.is_empty() && finish == "stop" {
            finish = "length";
        }
        let tokens = cut.unwrap_or(end);
        Ok(Said { text: words, finish, answered, tokens })
    }

    /// The text of a canvas that can no longer change, without what may still become a text it is cut at.
    pub(crate) fn settled(&self, text: &TextModel, tokens: &[TokenId]) -> Result<String, Fault> {
        if !self.settles {
            return Ok(String::new());
        }
        let mask = text.special.mask;
        let settled = tokens.iter().position(|t| *t == mask).unwrap_or(tokens.len());
        let settled = settled.min(self.most.unwrap_or(usize::MAX));
        let end = end_of(text, &tokens[..settled]);
        let words = text.tokenizer.decode(&tokens[..end], Specials::Skip).map_err(failed)?;
        let mut words = words.trim_end_matches('\u{fffd}');
        if let Some(at) = stop_at(words, &self.stop) {
            return Ok(words[..at].to_owned());
        }
        if end == settled {
            words = &words[..words.len() - self.held(words)];
        }
        Ok(words.to_owned())
    }

    /// Bytes at the end of a text that a text it is cut at may begin with.
    fn held(&self, words: &str) -> usize {
        let begins = |stop: &String| {
            let ends = stop.char_indices().map(|(at, _)| at).skip(1);
            ends.filter(|at| words.ends_with(&stop[..*at])).max().unwrap_or(0)
        };
        self.stop.iter().map(begins).max().unwrap_or(0)
    }
}

/// Where an answer ends: its first end token.
fn end_of(text: &TextModel, ids: &[TokenId]) -> usize {
    let ends = text.special.ends();
    ids.iter().position(|t| ends.contains(t)).unwrap_or(ids.len())
}

/// Where a text is cut.
fn stop_at(words: &str, stop: &[String]) -> Option<usize> {
    stop.iter().filter_map(|stop| words.find(stop.as_str())).min()
}

/// Why an answer ended, in OpenAI's words.
fn ended(finish: &Finish, by: &str) -> &'static str {
    match finish {
        Finish::End => "stop",
        Finish::Stopped(name) if name == "until" => "stop",
        Finish::Stopped(_) => "content_filter",
        Finish::Length | Finish::Unfinished { .. } if by == finish.name() => "length",
        Finish::Length | Finish::Unfinished { .. } => "content_filter",
    }
}

fn failed(error: mosa_text::TextError) -> Fault {
    mosa_runtime::RuntimeError::from(error).into()
}
