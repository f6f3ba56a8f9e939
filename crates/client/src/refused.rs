//! What an endpoint says when it refuses a request, and what to do about it.

use crate::EndpointSettings;
use serde_json::Value;

/// An error object, as it stands in the body of an error status, or inside a body with status 200.
pub(crate) struct Refused<'a>(&'a Value);

/// Words of error codes and types, and the status they stand for.
const WORDS: [(&str, u16); 19] = [
    ("insufficient_quota", 402),
    ("rate_limit", 429),
    ("too_many_requests", 429),
    ("throttl", 429),
    ("overloaded", 503),
    ("unavailable", 503),
    ("capacity", 503),
    ("timeout", 504),
    ("timed_out", 504),
    ("server_error", 500),
    ("internal", 500),
    ("upstream", 502),
    ("provider", 502),
    ("auth", 401),
    ("api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("context_length", 400),
    ("invalid", 400),
];

impl<'a> Refused<'a> {
    /// The error in a body with status 200, if it is one instead of a reply. `choices` may be absent, null, empty, or hold
    /// the error of a reply that broke off.
    pub(crate) fn inside(body: &'a Value) -> Option<Self> {
        let there = |value: &'a Value| value.get("error").filter(|e| !e.is_null());
        let choices = body.get("choices").and_then(Value::as_array);
        match choices.and_then(|all| all.first()) {
            Some(choice) => {
                let broke_off = choice.get("finish_reason").and_then(Value::as_str) == Some("error");
                there(choice).or_else(|| there(body).filter(|_| broke_off)).or(broke_off.then_some(choice)).map(Self)
            }
            None if body.get("object").and_then(Value::as_str) == Some("error") => Some(Self(body)),
            None => there(body).map(Self),
        }
    }

    /// The HTTP status it stands for, where it says so.
    pub(crate) fn status(&self) -> Option<u16> {
        let number = |value: &Value| match value {
            Value::Number(n) => n.as_u64().and_then(|n| u16::try_from(n).ok()),
            Value::String(text) => text.trim().parse::<u16>().ok(),
            _ => None,
        };
        let keys = ["code", "status", "status_code"];
        let numbers = keys.iter().filter_map(|key| number(self.0.get(key)?));
        let words = ["code", "type", "status"].iter().filter_map(|key| self.0.get(key)?.as_str());
        let meant = |word: &str| WORDS.iter().find(|(known, _)| word.to_lowercase().contains(known)).map(|(_, s)| *s);
        numbers.into_iter().find(|n| (300..600).contains(n)).or_else(|| words.into_iter().find_map(meant))
    }
}

/// A part of a request that can be left out or renamed, as error messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Parameter(&'static str),
    MaxTokens,
    MaxCompletionTokens,
    SystemRole,
}

/// What to do about a request that is not accepted (400, 422): the part of it that the message names, and the setting that
/// leaves it out or renames it. Nothing that is set already is advised again.
pub(crate) fn advice(body: &str, settings: &EndpointSettings) -> String {
    let setting = named(body).and_then(|part| match part {
        Part::Parameter(name) => settings.sends(name).then(|| format!("leave {name} out with omit = [\"{name}\"]")),
        Part::MaxTokens if is_too_long(body) => Some("ask for fewer tokens or send a shorter text".to_owned()),
        Part::MaxTokens => renamed(settings, "max_tokens", "max_completion_tokens"),
        Part::MaxCompletionTokens => renamed(settings, "max_completion_tokens", "max_tokens"),
        Part::SystemRole => {
            let merged = settings.system_role == crate::settings::MERGE;
            (!merged).then(|| "put the system text into the user's with system_role = \"merge\"".to_owned())
        }
    });
    match (setting, named(body)) {
        (Some(setting), _) => format!("it does not accept the request; {setting}"),
        (None, None) => general(body, settings),
        (None, Some(_)) => "it does not accept the request".to_owned(),
    }
}

/// What may help where the message names nothing.
fn general(body: &str, settings: &EndpointSettings) -> String {
    let base = "it does not accept the request";
    if is_too_long(body) {
        return format!("{base}; ask for fewer tokens or send a shorter text");
    }
    let rename = settings.max_tokens_key == "max_tokens";
    let rename = rename.then_some("try max_tokens_key = \"max_completion_tokens\" or a shorter text");
    let omit = settings.omit.is_empty().then_some("leave out with omit = [...] what it does not know");
    let all: Vec<&str> = [rename, omit].into_iter().flatten().collect();
    if all.is_empty() { base.to_owned() } else { format!("{base}; {}", all.join(", or ")) }
}

/// The other name of the length limit; if that is set already, the limit can only be left out.
fn renamed(settings: &EndpointSettings, is: &str, other: &str) -> Option<String> {
    if !settings.sends("max_tokens") {
        return None;
    }
    if settings.max_tokens_key == is {
        return Some(format!("name the length limit {other} with max_tokens_key = \"{other}\""));
    }
    Some("leave the length limit out with omit = [\"max_tokens\"]".to_owned())
}

/// Whether the request is longer than the model allows, rather than of the wrong form.
fn is_too_long(body: &str) -> bool {
    let body = body.to_lowercase();
    ["context length", "context_length", "context window", "too large", "too long", "maximum length", "at most"]
        .iter()
        .any(|words| body.contains(words))
}

/// What the message names: the field made for it, else the first part of a request that its words name.
fn named(body: &str) -> Option<Part> {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let field = value.as_ref().and_then(|v| v.pointer("/error/param").or_else(|| v.get("param"))?.as_str());
    let message = value.as_ref().and_then(|v| {
        let at = ["/error/message", "/message", "/error", "/detail"];
        at.iter().find_map(|at| v.pointer(at)).map(|m| m.as_str().map_or_else(|| m.to_string(), str::to_owned))
    });
    field.and_then(in_words).or_else(|| in_words(&message.unwrap_or_else(|| body.to_owned())))
}

/// The first part of a request that a text names.
fn in_words(text: &str) -> Option<Part> {
    let text = text.to_lowercase();
    let word = |name: &str| {
        let whole = |at: usize| {
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !inside(text[..at].chars().next_back()) && !inside(text[at + name.len()..].chars().next())
        };
        text.match_indices(name).map(|(at, _)| at).find(|at| whole(*at))
    };
    let mut found: Vec<(usize, Part)> = Vec::new();
    for name in ["temperature", "top_p", "seed"] {
        found.extend(word(name).map(|at| (at, Part::Parameter(name))));
    }
    // An English word besides; as a parameter it stands in quotes or behind its kind.
    let stop = ["'stop'", "\"stop\"", "`stop`", "parameter stop", "parameter: stop", "field stop", "argument stop"];
    let stop = if text == "stop" { Some(0) } else { stop.iter().find_map(|name| text.find(name)) };
    found.extend(stop.map(|at| (at, Part::Parameter("stop"))));
    found.extend(word("max_tokens").map(|at| (at, Part::MaxTokens)));
    found.extend(word("max_completion_tokens").map(|at| (at, Part::MaxCompletionTokens)));
    let roles = ["system role", "role 'system'", "role \"system\"", "role `system`", "role: system", "system message"];
    let more = ["system prompt", "system instruction", "developer instruction", "'system'", "roles must alternate"];
    let role = roles.iter().chain(&more).filter_map(|words| text.find(words)).min();
    found.extend(role.map(|at| (at, Part::SystemRole)));
    let first = found.into_iter().min_by_key(|(at, _)| *at).map(|(_, part)| part);
    // "Use max_completion_tokens instead" is about the other one.
    match (first, word("max_tokens")) {
        (Some(Part::MaxCompletionTokens), Some(_)) if text.contains("instead") => Some(Part::MaxTokens),
        _ => first,
    }
}
