//! Conversations and the checkpoint's own chat template.

use crate::template::Template;
use crate::{MAX_TEXT, TextError, files};
use minijinja::context;
use minijinja::value::{Serde, Value as JinjaValue};
use mosa_core::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A Jinja template with the settings transformers renders templates with.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    template: Template,
    /// The file it came from.
    path: Option<PathBuf>,
    /// What it is told beside the conversation.
    arguments: BTreeMap<String, Value>,
}

/// What every rendering says itself.
const OWN: [&str; 4] = ["messages", "tools", "documents", "add_generation_prompt"];

/// Where a checkpoint keeps its template.
struct Found {
    path: PathBuf,
    source: String,
}

impl ChatTemplate {
    /// Reads the template of a checkpoint, as transformers finds it: `chat_template.jinja`, else the `default` of
    /// `additional_chat_templates/`, else `chat_template` of tokenizer_config.json, else that of chat_template.json.
    /// Each of the two keys is a string, a list of `name` and `template`, or an object of names; of several, `default` is
    /// taken. `None` if there is no template.
    ///
    /// # Errors
    /// [`TextError`] if a file is malformed, the template does not parse, or none of several is the default.
    pub fn load(dir: &Path) -> Result<Option<Self>, TextError> {
        let config = files::read_object(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
        let Some(Found { path, source }) = find(dir, &config)? else { return Ok(None) };
        let map = files::read_object(&dir.join("special_tokens_map.json"))?.unwrap_or_default();
        let tokens = special_values(&map).chain(special_values(&config)).collect();
        match Template::new(&source, tokens) {
            Ok(template) => Ok(Some(Self { template, path: Some(path), arguments: BTreeMap::new() })),
            Err(e) => Err(files::malformed(&path, format!("chat template: {e}"))),
        }
    }

    /// A template from its source; `tokens` are the strings it may name (`bos_token`, ...).
    ///
    /// # Errors
    /// [`TextError::Template`] if it does not parse or is too large.
    pub fn new(source: String, tokens: BTreeMap<String, String>) -> Result<Self, TextError> {
        let tokens = tokens.into_iter().map(|(name, text)| (name, text.into())).collect();
        let template = Template::new(&source, tokens).map_err(TextError::Template)?;
        Ok(Self { template, path: None, arguments: BTreeMap::new() })
    }

    /// The template as the checkpoint has it.
    pub fn source(&self) -> &str {
        &self.template.source
    }

    /// The same template, told these values by name in every rendering, as transformers hands them on
    /// (`chat_template_kwargs`; Qwen3 and SDAR know `enable_thinking`).
    ///
    /// # Errors
    /// [`TextError::Template`] if one has the name of something that every rendering says itself.
    pub fn with_arguments(self, arguments: BTreeMap<String, Value>) -> Result<Self, TextError> {
        match arguments.keys().find(|name| OWN.contains(&name.as_str())) {
            Some(name) => Err(TextError::Template(format!("`{name}` is said by every rendering itself"))),
            None => Ok(Self { arguments, ..self }),
        }
    }

    /// The text of a conversation. `add_generation_prompt` asks for the header of the next assistant turn; some
    /// templates (LLaDA) append it in any case.
    ///
    /// # Errors
    /// [`TextError::TooLong`] if the messages are, [`TextError::Template`] if the template refuses them, or does or writes
    /// too much.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TextError> {
        let bytes = messages.iter().map(|m| m.content.len() + m.role.as_str().len()).sum();
        if bytes > MAX_TEXT {
            return Err(TextError::TooLong { bytes });
        }
        let arguments = JinjaValue::from(Serde(&self.arguments));
        let scope = context! {
            messages => JinjaValue::from(Serde(messages)),
            tools => (),
            documents => (),
            add_generation_prompt,
            ..arguments
        };
        self.template.render(&scope).map_err(|e| match &self.path {
            Some(path) => TextError::Template(format!("{}: {e}", path.display())),
            None => TextError::Template(e),
        })
    }
}

fn find(dir: &Path, config: &serde_json::Map<String, Value>) -> Result<Option<Found>, TextError> {
    for name in ["chat_template.jinja", "additional_chat_templates/default.jinja"] {
        let path = dir.join(name);
        if path.exists() {
            return Ok(Some(Found { source: files::read(&path)?, path }));
        }
    }
    let path = dir.join("tokenizer_config.json");
    if let Some(source) = in_file(&path, config)? {
        return Ok(Some(Found { path, source }));
    }
    let path = dir.join("chat_template.json");
    if let Some(source) = in_file(&path, &files::read_object(&path)?.unwrap_or_default())? {
        return Ok(Some(Found { path, source }));
    }
    match named(&dir.join("additional_chat_templates"))? {
        names if names.is_empty() => Ok(None),
        names => Err(files::malformed(
            &dir.join("additional_chat_templates"),
            format!(
                "holds the chat templates {} but none named `default`, and there is no chat_template.jinja",
                names.join(", ")
            ),
        )),
    }
}

/// The names of the templates in a folder, which may be absent.
fn named(dir: &Path) -> Result<Vec<String>, TextError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| TextError::Read { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "jinja") {
            names.extend(path.file_stem().map(|n| n.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// `chat_template` of a JSON file: a string, or the one of several that is the default.
fn in_file(path: &Path, file: &serde_json::Map<String, Value>) -> Result<Option<String>, TextError> {
    let several: Vec<(&str, &Value)> = match file.get("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(source)) => return Ok(Some(source.clone())),
        Some(Value::Array(list)) => {
            list.iter().filter_map(|t| Some((t.get("name")?.as_str()?, t.get("template")?))).collect()
        }
        Some(Value::Object(map)) => map.iter().map(|(name, template)| (name.as_str(), template)).collect(),
        Some(_) => Vec::new(),
    };
    match several.iter().find(|(name, _)| *name == "default").and_then(|(_, template)| template.as_str()) {
        Some(source) => Ok(Some(source.to_owned())),
        None => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            let what = "`chat_template` is neither text nor several templates of which one is named `default`";
            Err(files::malformed(path, format!("{what} (there are: {})", names.join(", "))))
        }
    }
}

/// The special tokens of a tokeniser file, as a template may name them: the `*_token` entries, plain strings or objects
/// with a `content`, and the list `additional_special_tokens`.
fn special_values(map: &serde_json::Map<String, Value>) -> impl Iterator<Item = (String, JinjaValue)> + '_ {
    map.iter().filter_map(|(key, value)| {
        if key == "additional_special_tokens" {
            let list: Vec<&str> = value.as_array()?.iter().filter_map(files::token_text).collect();
            return Some((key.clone(), JinjaValue::from_iter(list)));
        }
        let text = files::token_text(value).filter(|_| key.ends_with("_token"))?;
        Some((key.clone(), text.into()))
    })
}
