//! What goes over the wire: a conversation out, a reply in.

use crate::error::excerpt;
use crate::refused::Refused;
use crate::retry::Failure;
use crate::settings::MERGE;
use crate::{EndpointError, EndpointSettings, Spoken};
use mosa_core::{Message, Role};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Tokens a chat template may add to each message, and to all of them: generous, because budgets are reserved with it.
const TOKENS_PER_MESSAGE: u64 = 16;

/// A conversation to be continued, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Longest reply, in tokens.
    pub max_tokens: u32,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f64,
    /// Share of probability mass to sample from; not sent if absent.
    pub top_p: Option<f64>,
    /// Seed of the sampling; not sent if absent.
    pub seed: Option<u64>,
    /// Texts that end the reply; not sent if empty.
    pub stop: Vec<String>,
}

impl Chat {
    /// A conversation of these messages: greedy, up to 1024 tokens.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, max_tokens: 1024, temperature: 0.0, top_p: None, seed: None, stop: Vec::new() }
    }

    /// The body of the request.
    pub(crate) fn body(&self, settings: &EndpointSettings) -> String {
        let mut body = Map::new();
        body.insert("model".into(), json!(settings.model));
        body.insert("messages".into(), messages(&self.messages, &settings.system_role));
        let mut add = |parameter: &str, name: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|_| settings.sends(parameter)) {
                body.insert(name.to_owned(), value);
            }
        };
        add("temperature", "temperature", Some(json!(self.temperature)));
        add("max_tokens", &settings.max_tokens_key, Some(json!(self.max_tokens)));
        add("top_p", "top_p", self.top_p.map(|p| json!(p)));
        add("seed", "seed", self.seed.map(|s| json!(s)));
        add("stop", "stop", (!self.stop.is_empty()).then(|| json!(self.stop)));
        Value::Object(body).to_string()
    }

    /// No fewer tokens than the prompt has: no tokeniser makes more tokens than there are bytes.
    pub(crate) fn prompt_bound(&self) -> u64 {
        let bytes: usize = self.messages.iter().map(|m| m.content.len()).sum();
        bytes as u64 + TOKENS_PER_MESSAGE * (self.messages.len() as u64 + 1)
    }
}

/// The conversation as it is sent. System texts get the role that the settings say; merged, they stand above what the user
/// says next.
fn messages(all: &[Message], system_role: &str) -> Value {
    let mut sent: Vec<Value> = Vec::with_capacity(all.len());
    let mut above = String::new();
    for message in all {
        match &message.role {
            Role::System if system_role == MERGE => above = format!("{above}{}\n\n", message.content),
            Role::System => sent.push(json!({"role": system_role, "content": message.content})),
            Role::User if !above.is_empty() => {
                let content = std::mem::take(&mut above) + &message.content;
                sent.push(json!(Message::user(content)));
            }
            _ => sent.push(json!(message)),
        }
    }
    if !above.is_empty() {
        sent.push(json!(Message::user(above.trim_end())));
    }
    json!(sent)
}

/// A reply to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What was said, apart from what was thought, and whether it is whole.
    pub spoken: Spoken,
    /// The message as it came, reasoning between tags included.
    pub content: String,
    /// Why it ended: `stop`, `length`, ...
    pub finish_reason: Option<String>,
    /// Name of the model that replied, as the endpoint gives it.
    pub model: Option<String>,
    /// Tokens of the prompt, if the endpoint counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the reply, if the endpoint counts them.
    pub completion_tokens: Option<u64>,
    /// Repetitions it took.
    pub transport_retries: u32,
    /// What the model said instead of replying; never there outside the endpoint.
    pub(crate) refusal: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    message: Assistant,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// The message of a choice. Reasoning has other names on other servers.
#[derive(Deserialize)]
struct Assistant {
    content: Option<Content>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<Content>,
    #[serde(default)]
    reasoning: Option<Content>,
    #[serde(default)]
    thinking: Option<Content>,
}

/// A text, or the parts of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
    Other(Value),
}

/// Texts of a message: said, thought and declined.
#[derive(Default)]
struct Texts {
    said: String,
    thought: String,
    declined: String,
}

impl Texts {
    /// Adds what a part holds; an error names a part that is no text.
    fn add(&mut self, part: &Value) -> Result<(), String> {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
        let text = |key: &str| part.get(key).and_then(Value::as_str);
        match kind {
            _ if part.is_string() => self.said.push_str(part.as_str().unwrap_or_default()),
            "text" | "output_text" if text("text").is_some() => self.said.push_str(text("text").unwrap_or_default()),
            "refusal" => self.declined.push_str(text("refusal").or(text("text")).unwrap_or_default()),
            "thinking" | "reasoning" | "reasoning_text" | "redacted_thinking" => {
                let held = ["thinking", "reasoning", "text", "content"].iter().find_map(|key| part.get(key));
                self.thought.push_str(&plain(held.unwrap_or(&Value::Null)));
            }
            _ => return Err(format!("its content has a part of the type {kind:?}, which holds no text")),
        }
        Ok(())
    }
}

/// All text in a value, in order: of thoughts only, which come in many shapes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect(),
        Value::Object(map) => map.get("text").or_else(|| map.get("summary")).map(plain).unwrap_or_default(),
        _ => String::new(),
    }
}

impl Content {
    fn said(self) -> Result<Texts, String> {
        let mut texts = Texts::default();
        match self {
            Self::Text(text) => texts.said = text,
            Self::Parts(parts) => parts.iter().try_for_each(|part| texts.add(part))?,
            Self::Other(value) => texts.add(&value)?,
        }
        Ok(texts)
    }

    fn thought(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.iter().map(plain).collect(),
            Self::Other(value) => plain(&value),
        }
    }
}

/// Reads the body of a response with status 200. `wait` is how long the endpoint asks to wait, should it hold an error.
pub(crate) fn read(text: &str, wait: Option<Duration>, settings: &EndpointSettings) -> Result<Reply, Failure> {
    let malformed = |why: String| EndpointError::Malformed { why, attempts: 1, body: excerpt(text) };
    let passing = |why: &str| Failure::Passing { error: malformed(why.into()), wait };
    let value: Value = serde_json::from_str(text).map_err(|_| passing("is no whole JSON document"))?;
    if let Some(refused) = Refused::inside(&value) {
        return Err(match refused.status() {
            Some(status) => Failure::of_status(status, text, wait, settings),
            None => passing("is an error message"),
        });
    }
    let wrong = |why: String| Failure::Final(malformed(format!("is no chat completion: {why}")));
    let count = |key: &str| value.pointer(&format!("/usage/{key}")).and_then(Value::as_u64);
    let model = value.get("model").and_then(Value::as_str).map(str::to_owned);
    let choices = value.get("choices").and_then(Value::as_array);
    let choices = choices.ok_or_else(|| wrong("it has no list of choices".into()))?;
    let choice = choices.first().ok_or_else(|| wrong("it has no choices".into()))?;
    let choice = Choice::deserialize(choice).map_err(|e| wrong(e.to_string()))?;
    let message = choice.message;
    let channels = [message.reasoning_content, message.reasoning, message.thinking];
    let mut texts = message.content.map_or(Ok(Texts::default()), Content::said).map_err(wrong)?;
    let channel = channels.into_iter().flatten().map(Content::thought).find(|t| !t.trim().is_empty());
    texts.thought.push_str(&channel.unwrap_or_default());
    texts.declined.push_str(&message.refusal.unwrap_or_default());
    Ok(Reply {
        spoken: Spoken::of(&texts.said, &texts.thought, choice.finish_reason.as_deref()),
        content: texts.said,
        finish_reason: choice.finish_reason,
        model,
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        transport_retries: 0,
        refusal: Some(texts.declined).filter(|r| !r.trim().is_empty()),
    })
}

/// The reply, unless the model or its provider declined.
pub(crate) fn declined(mut reply: Reply) -> Result<Reply, EndpointError> {
    if let Some(said) = reply.refusal.take() {
        return Err(EndpointError::Refused { said });
    }
    if reply.finish_reason.as_deref() == Some("content_filter") {
        return Err(EndpointError::Filtered { said: "content_filter".into(), until: reply.spoken.text });
    }
    Ok(reply)
}
