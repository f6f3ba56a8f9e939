//! What goes over the wire: a conversation out, a reply in.

use crate::error::excerpt;
use crate::retry::Failure;
use crate::{EndpointError, EndpointSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Tokens a chat template may add to each message, and to all of them: generous, because budgets are reserved with it.
const TOKENS_PER_MESSAGE: u64 = 16;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions above the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of this role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

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
        body.insert("messages".into(), json!(self.messages));
        body.insert("temperature".into(), json!(self.temperature));
        body.insert(settings.max_tokens_key.clone(), json!(self.max_tokens));
        if let Some(top_p) = self.top_p {
            body.insert("top_p".into(), json!(top_p));
        }
        if let Some(seed) = self.seed {
            body.insert("seed".into(), json!(seed));
        }
        if !self.stop.is_empty() {
            body.insert("stop".into(), json!(self.stop));
        }
        Value::Object(body).to_string()
    }

    /// No fewer tokens than the prompt has: no tokeniser makes more tokens than there are bytes.
    pub(crate) fn prompt_bound(&self) -> u64 {
        let bytes: usize = self.messages.iter().map(|m| m.content.len()).sum();
        bytes as u64 + TOKENS_PER_MESSAGE * (self.messages.len() as u64 + 1)
    }
}

/// A reply to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text; empty if the model said nothing.
    pub text: String,
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
    /// What the model or its provider said instead of replying; never there outside the endpoint.
    pub(crate) declined: Option<String>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Reads the body of a response with status 200.
pub(crate) fn read(text: &str) -> Result<Reply, Failure> {
    let malformed = |why: String| EndpointError::Malformed { why, attempts: 1, body: excerpt(text) };
    let passing = |why: &str| Failure::Passing { error: malformed(why.into()), wait: None };
    let value: Value = serde_json::from_str(text).map_err(|_| passing("is no whole JSON document"))?;
    if value.get("error").is_some_and(|e| !e.is_null()) && value.get("choices").is_none() {
        return Err(passing("is an error message"));
    }
    let wrong = |why: String| Failure::Final(malformed(format!("is no chat completion: {why}")));
    let completion: Completion = serde_json::from_value(value).map_err(|e| wrong(e.to_string()))?;
    let count = |key: &str| completion.usage.get(key).and_then(Value::as_u64);
    let (prompt_tokens, completion_tokens) = (count("prompt_tokens"), count("completion_tokens"));
    let choice = completion.choices.into_iter().next().ok_or_else(|| wrong("it has no choices".into()))?;
    let filtered = choice.finish_reason.as_deref() == Some("content_filter");
    let refusal = choice.message.refusal.filter(|r| !r.is_empty());
    Ok(Reply {
        declined: refusal.map(|r| excerpt(&r)).or_else(|| filtered.then(|| "content_filter".into())),
        text: choice.message.content.unwrap_or_default(),
        finish_reason: choice.finish_reason,
        model: completion.model,
        prompt_tokens,
        completion_tokens,
        transport_retries: 0,
    })
}

/// The reply, unless the provider or the model declined.
pub(crate) fn refused(mut reply: Reply) -> Result<Reply, EndpointError> {
    match reply.declined.take() {
        Some(said) => Err(EndpointError::Filtered { said }),
        None => Ok(reply),
    }
}
