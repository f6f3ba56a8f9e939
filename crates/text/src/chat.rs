//! Conversations and the checkpoint's own chat template.

use crate::{TextError, files};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as JinjaValue};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A user turn.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".into(), content: content.into() }
    }
}

/// A Jinja template with the settings transformers renders templates with.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Reads `chat_template.jinja`, or `chat_template` of tokenizer_config.json (a string, or a list of named ones of
    /// which `default` is taken). `None` if there is neither.
    ///
    /// # Errors
    /// [`TextError`] if a file is malformed or the template does not parse.
    pub fn load(dir: &Path) -> Result<Option<Self>, TextError> {
        let config_path = dir.join("tokenizer_config.json");
        let config = files::read_object(&config_path)?.unwrap_or_default();
        let file = dir.join("chat_template.jinja");
        let (path, source) = if file.exists() {
            let source = files::read(&file)?;
            (file, source)
        } else {
            let source = match config.get("chat_template") {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::String(s)) => s.clone(),
                Some(list) => default_of(list).ok_or_else(|| {
                    files::malformed(
                        &config_path,
                        "`chat_template` is neither a string nor a list with one named `default`",
                    )
                })?,
            };
            (config_path, source)
        };
        let map = files::read_object(&dir.join("special_tokens_map.json"))?.unwrap_or_default();
        let tokens = special_strings(&map).chain(special_strings(&config)).collect();
        Self::new(source, tokens).map(Some).map_err(|e| files::malformed(&path, format!("chat template: {e}")))
    }

    /// A template from its source; `tokens` are the strings it may name (`bos_token`, ...).
    ///
    /// # Errors
    /// [`TextError::Template`] if it does not parse.
    pub fn new(source: String, tokens: BTreeMap<String, String>) -> Result<Self, TextError> {
        let failed = |e: Error| TextError::Template(e.to_string());
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(failed)?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<JinjaValue, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        for (name, text) in tokens {
            environment.add_global(name, text);
        }
        environment.add_template_owned(NAME, source).map_err(failed)?;
        Ok(Self { environment })
    }

    /// The text of a conversation. `add_generation_prompt` asks for the header of the next assistant turn; some
    /// templates (LLaDA) append it in any case.
    ///
    /// # Errors
    /// [`TextError::Template`] if the template refuses the messages.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TextError> {
        let template = self.environment.get_template(NAME).map_err(|e| TextError::Template(e.to_string()))?;
        let scope = context! { messages => JinjaValue::from(Serde(messages)), add_generation_prompt };
        template.render(scope).map_err(|e| TextError::Template(format!("{e:#}")))
    }
}

fn default_of(list: &Value) -> Option<String> {
    let named = list.as_array()?.iter().find(|t| t.get("name").and_then(Value::as_str) == Some("default"))?;
    named.get("template")?.as_str().map(str::to_owned)
}

/// The `*_token` entries of a tokeniser file: plain strings, or objects with a `content`.
fn special_strings(map: &serde_json::Map<String, Value>) -> impl Iterator<Item = (String, String)> + '_ {
    map.iter().filter(|(key, _)| key.ends_with("_token")).filter_map(|(key, value)| {
        let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
        Some((key.clone(), text.to_owned()))
    })
}
