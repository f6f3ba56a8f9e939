//! Conversations in prompt files: a list of turns with `role` and `content`, or with ShareGPT's `from` and `value`.

use mosa_core::{Message, Role};
use serde_json::{Map, Value};

/// What kinds of parts of a turn are text.
const TEXT_PARTS: [&str; 3] = ["text", "input_text", "output_text"];

/// The turns of a conversation that are sent, and what stands beside them.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// Up to the last turn that is not the assistant's.
    pub(crate) asked: Vec<Message>,
    /// The assistant's turn at the end, if there is one.
    pub(crate) answer: Option<String>,
    /// Turns with something that is not sent (calls of tools).
    pub(crate) beside: usize,
}

impl Conversation {
    /// The conversation in a column: a list of turns, or such a list as JSON text (in a delimited table).
    ///
    /// # Errors
    /// A message that names the turn.
    pub(crate) fn read(name: &str, value: &Value) -> Result<Self, String> {
        let parsed;
        let value = match value {
            Value::String(text) => {
                parsed = serde_json::from_str::<Value>(text).map_err(|e| {
                    format!("`{name}` is text, but not the JSON text of a list of turns (with double quotes): {e}")
                })?;
                &parsed
            }
            other => other,
        };
        let turns = value.as_array().ok_or_else(|| format!("`{name}` is not a list of turns with role and content"))?;
        if turns.is_empty() {
            return Err(format!("`{name}` is empty"));
        }
        let mut all = Self::default();
        for (turn, number) in turns.iter().zip(1..) {
            let turn = turn.as_object().ok_or_else(|| format!("`{name}`: turn {number} is not a JSON object"))?;
            all.asked.push(message(turn).map_err(|what| format!("`{name}`: turn {number}: {what}"))?);
            let beside = |key: &str| turn.get(key).is_some_and(|v| !empty(v));
            all.beside += usize::from(["tool_calls", "function_call"].into_iter().any(beside));
        }
        all.answer = all.asked.pop_if(|last| last.role == Role::Assistant).map(|last| last.content);
        match all.asked.last() {
            Some(last) if last.role != Role::Assistant => Ok(all),
            Some(_) => Err(format!("`{name}` ends with two turns of the assistant; keep one")),
            None => Err(format!("`{name}` asks nothing: it holds the assistant's turn alone")),
        }
    }

    /// Whether a value looks like a conversation: a list whose first entry is a turn.
    pub(crate) fn is_one(value: &Value) -> bool {
        let first = value.as_array().and_then(|turns| turns.first()).and_then(Value::as_object);
        first.is_some_and(|turn| turn.contains_key("role") || turn.contains_key("from"))
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn message(turn: &Map<String, Value>) -> Result<Message, String> {
    let role = match (turn.get("role"), turn.get("from")) {
        (Some(role), _) => {
            let role = role.as_str().ok_or_else(|| format!("`role` is {role}, not text"))?;
            common(role).unwrap_or_else(|| role.into())
        }
        (None, Some(from)) => {
            let known = from.as_str().and_then(common);
            known.ok_or_else(|| format!("`from` is {from}; it is one of system, human, user, gpt, assistant"))?
        }
        (None, None) => return Err("`role` is missing".into()),
    };
    let (key, content) = match (turn.get("content"), turn.get("value")) {
        (Some(content), _) => ("content", content),
        (None, Some(value)) => ("value", value),
        (None, None) => return Err("`content` is missing".into()),
    };
    Ok(Message::new(role, text_of(key, content)?))
}

/// The role that chat templates know, of the names in circulation.
fn common(role: &str) -> Option<Role> {
    match role {
        "system" => Some(Role::System),
        "user" | "human" => Some(Role::User),
        "assistant" | "gpt" | "chatgpt" | "model" | "bot" => Some(Role::Assistant),
        _ => None,
    }
}

/// The text of a turn: text, or a list of parts of text, which are joined.
fn text_of(key: &str, content: &Value) -> Result<String, String> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => parts.iter().zip(1..).map(|(part, number)| text_of_part(key, part, number)).collect(),
        Value::Null => Err(format!("`{key}` is null; a turn needs a text")),
        other => Err(format!("`{key}` is {other}, neither text nor a list of parts of text")),
    }
}

fn text_of_part(key: &str, part: &Value, number: usize) -> Result<String, String> {
    if let Some(text) = part.as_str() {
        return Ok(text.to_owned());
    }
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    let text = part.get("text").and_then(Value::as_str);
    match text.filter(|_| TEXT_PARTS.contains(&kind)) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("part {number} of `{key}` is of the type {kind:?}; only text can be sent to these models")),
    }
}
