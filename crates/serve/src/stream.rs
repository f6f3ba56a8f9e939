//! Answers as server-sent events: text once it can no longer change, or the whole canvas after every step.

use crate::Fault;
use crate::answer::{Plan, Said};
use crate::follow::{Frame, Wanted, Watch};
use crate::reply::{Way, part, usage};
use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use mosa_core::TokenId;
use mosa_runtime::Runtime;
use mosa_text::{Specials, TextModel};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

/// A position that is still masked, as it is drawn.
const HIDDEN: &str = "░";

/// How an answer came out, and what is to be sent with it.
pub(crate) type Outcome = Result<(Said, Value), Fault>;

/// What all events of a response say.
pub(crate) struct Head {
    pub way: Way,
    pub id: String,
    pub model: String,
    pub created: u64,
    pub fingerprint: String,
}

/// An answer on its way to a reader.
pub(crate) struct Sending {
    pub head: Head,
    pub plan: Arc<Plan>,
    pub runtime: Runtime,
    pub choices: Vec<Choice>,
    pub diffusing: bool,
    pub usage: bool,
}

/// One of its choices.
pub(crate) struct Choice {
    pub watch: Wanted,
    pub outcome: Receiver<Outcome>,
    /// Text that was sent.
    pub sent: String,
    pub said: Option<Said>,
    /// What stands before the answer, with `echo`.
    pub before: String,
}

/// What is done next.
enum At {
    Begin,
    Choice(usize),
    Usage,
    Done,
    Over,
}

impl Head {
    /// A response or a part of one.
    pub(crate) fn wrap(&self, stream: bool, choices: &[Value]) -> Value {
        json!({
            "id": self.id,
            "object": self.way.object(stream),
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        })
    }
}

impl Sending {
    /// The events, made as fast as they are read.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let state = (self, At::Begin, VecDeque::new());
        stream::unfold(state, |(mut sending, mut at, mut ready)| async move {
            loop {
                if let Some(event) = ready.pop_front() {
                    return Some((Ok(event), (sending, at, ready)));
                }
                at = match at {
                    At::Over => return None,
                    other => sending.step(other, &mut ready).await,
                };
            }
        })
    }

    /// Does what is next; events to send are put into `ready`.
    async fn step(&mut self, at: At, ready: &mut VecDeque<Event>) -> At {
        match at {
            At::Begin => {
                for index in 0..self.choices.len() {
                    self.begin(index, ready);
                }
                At::Choice(0)
            }
            At::Choice(index) if index < self.choices.len() => match self.choice(index, ready).await {
                Ok(true) => At::Choice(index + 1),
                Ok(false) => At::Choice(index),
                Err(fault) => {
                    ready.push_back(Event::default().data(fault.body().to_string()));
                    At::Done
                }
            },
            At::Choice(_) => At::Usage,
            At::Usage => {
                if self.usage {
                    let said: Vec<&Said> = self.choices.iter().filter_map(|choice| choice.said.as_ref()).collect();
                    let mut last = self.head.wrap(true, &[]);
                    last["usage"] = usage(&said);
                    ready.push_back(event(&last));
                }
                At::Done
            }
            At::Done => {
                ready.push_back(Event::default().data("[DONE]"));
                At::Over
            }
            At::Over => At::Over,
        }
    }

    /// What stands before all text: who speaks, or the prompt itself.
    fn begin(&mut self, index: usize, ready: &mut VecDeque<Event>) {
        let choice = match self.head.way {
            Way::Chat => {
                json!({"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null})
            }
            Way::Completion if self.choices[index].before.is_empty() => return,
            Way::Completion => part(self.head.way, index, &self.choices[index].before, None),
        };
        ready.push_back(event(&self.head.wrap(true, &[choice])));
    }

    /// Waits for news of a choice and sends them; whether it is over.
    async fn choice(&mut self, index: usize, ready: &mut VecDeque<Event>) -> Result<bool, Fault> {
        let choice = &mut self.choices[index];
        let outcome = match choice.outcome.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Closed) => return Err(Fault::lost()),
            Err(TryRecvError::Empty) => {
                let watch: &Watch = &choice.watch.0;
                tokio::select! {
                    outcome = &mut choice.outcome => Some(outcome.unwrap_or_else(|_| Err(Fault::lost()))),
                    () = watch.stepped() => None,
                }
            }
        };
        let frame = choice.watch.0.take();
        match outcome {
            None => self.grown(index, &frame, ready).map(|()| false),
            Some(outcome) => {
                let (said, beside) = outcome?;
                if self.diffusing && !frame.changed.is_empty() {
                    self.grown(index, &frame, ready)?;
                }
                self.ended(index, said, beside, ready)?;
                Ok(true)
            }
        }
    }

    /// A step was made.
    fn grown(&mut self, index: usize, frame: &Frame, ready: &mut VecDeque<Event>) -> Result<(), Fault> {
        let text = self.runtime.text();
        // An answer that was declined before its first step has no canvas.
        if frame.steps == 0 {
            return Ok(());
        }
        if self.diffusing {
            let mut chunk = self.head.wrap(true, &[part(self.head.way, index, &drawn(text, &frame.tokens), None)]);
            chunk["mosa"] = canvas(text, frame);
            ready.push_back(event(&chunk));
            return Ok(());
        }
        let settled = self.plan.settled(text, &frame.tokens)?;
        let choice = &mut self.choices[index];
        if let Some(new) = settled.strip_prefix(choice.sent.as_str()).filter(|new| !new.is_empty()) {
            ready.push_back(event(&self.head.wrap(true, &[part(self.head.way, index, new, None)])));
            choice.sent = settled;
        }
        Ok(())
    }

    /// The answer is there: what of it was not sent, and why it ends.
    fn ended(&mut self, index: usize, said: Said, beside: Value, ready: &mut VecDeque<Event>) -> Result<(), Fault> {
        let (way, choice) = (self.head.way, &mut self.choices[index]);
        // Each canvas takes the place of the last, and so does the answer.
        let rest = if self.diffusing { Some(said.text.as_str()) } else { said.text.strip_prefix(choice.sent.as_str()) };
        let Some(rest) = rest else {
            let message = "text that was sent is not how the answer begins; ask again without \"stream\"";
            return Err(Fault::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "changed", message));
        };
        if self.diffusing || !rest.is_empty() {
            let mut whole = part(way, index, rest, None);
            if way == Way::Chat {
                // Also the canvas of an empty answer has to go.
                whole["delta"]["content"] = rest.into();
            }
            ready.push_back(event(&self.head.wrap(true, &[whole])));
        }
        let mut last = self.head.wrap(true, &[part(way, index, "", Some(said.finish))]);
        last["mosa"] = beside;
        ready.push_back(event(&last));
        choice.said = Some(said);
        Ok(())
    }
}

fn event(value: &Value) -> Event {
    Event::default().data(value.to_string())
}

/// The whole canvas as text.
fn drawn(text: &TextModel, tokens: &[TokenId]) -> String {
    let mask = text.special.mask;
    let ends = text.special.ends();
    let mut out = String::new();
    for run in tokens.chunk_by(|a, b| (*a == mask) == (*b == mask)) {
        if run[0] == mask {
            out.push_str(&HIDDEN.repeat(run.len()));
            continue;
        }
        let end = run.iter().position(|t| ends.contains(t)).unwrap_or(run.len());
        out.push_str(&text.tokenizer.decode(&run[..end], Specials::Skip).unwrap_or_default());
        if end < run.len() {
            break;
        }
    }
    out
}

/// The canvas token by token: what `mosa` holds in every chunk with `diffusing`.
fn canvas(text: &TextModel, frame: &Frame) -> Value {
    let mask = text.special.mask;
    json!({
        "step": frame.steps,
        "tokens": frame.tokens,
        "pieces": pieces(text, &frame.tokens),
        "masked": frame.tokens.iter().map(|t| *t == mask).collect::<Vec<_>>(),
        "confidences": frame.confidences,
        "changed": frame.changed,
    })
}

/// What every token adds to the one before it, since a token alone may lack the space between them; none for a mask.
pub(crate) fn pieces(text: &TextModel, tokens: &[TokenId]) -> Vec<Option<String>> {
    let mask = text.special.mask;
    let decode = |ids: &[TokenId]| text.tokenizer.decode(ids, Specials::Keep).unwrap_or_default();
    let mut before: Option<(TokenId, String)> = None;
    let piece = |&token: &TokenId| {
        let alone = (token != mask).then(|| decode(&[token]));
        let last = std::mem::replace(&mut before, alone.clone().map(|words| (token, words)));
        let added = last
            .filter(|_| alone.is_some())
            .and_then(|(id, words)| Some(decode(&[id, token]).strip_prefix(words.as_str())?.to_owned()));
        added.or(alone)
    };
    tokens.iter().map(piece).collect()
}
