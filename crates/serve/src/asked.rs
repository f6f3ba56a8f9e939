//! A request for an answer, read field by field.

use crate::Fault;
use crate::fields::Fields;
use mosa_core::{Message, Role, TokenId};
use mosa_text::{Prompt, TextModel};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most choices of a request.
const CHOICES: usize = 128;
/// Most prompts of a request.
const PROMPTS: usize = 1024;
/// Most positions of an answer that can be asked for; the model's context is less.
const POSITIONS: usize = 1 << 20;

/// What is asked, whichever way.
pub(crate) struct Asked {
    /// Name of the model; absent: the first.
    pub model: Option<String>,
    /// What is answered; one choice of each, `n` times.
    pub prompts: Vec<Prompted>,
    pub n: usize,
    pub max_tokens: Option<usize>,
    pub stop: Vec<String>,
    pub logprobs: bool,
    pub stream: Option<Stream>,
    /// Completions: the prompt stands before the answer.
    pub echo: bool,
    pub knobs: Knobs,
    pub extension: Extension,
}

/// A prompt, and the words its answer goes on from.
#[derive(Clone)]
pub(crate) struct Prompted {
    pub prompt: Prompt,
    pub prefix: String,
}

/// How an answer is streamed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stream {
    /// A last event with the token counts.
    pub usage: bool,
    /// The whole canvas after every step, instead of text once it is final.
    pub diffusing: bool,
}

/// Settings of the sampler that a request may change. What is absent stays as the server was started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs {
    /// Response positions.
    pub gen_length: Option<usize>,
    /// Denoising steps.
    pub steps: Option<usize>,
    /// Positions per block.
    pub block_length: Option<usize>,
    /// Which positions are revealed first, by name.
    pub remasking: Option<String>,
    /// The same for Dream's sampler.
    pub alg: Option<String>,
    /// Reveal every position at least this probable.
    pub threshold: Option<f64>,
    /// Fast-dLLM's rank-dependent bar.
    pub factor: Option<f64>,
    /// What is kept between passes, by name.
    pub cache: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Keep the k most likely tokens.
    pub top_k: Option<usize>,
    /// Classifier-free guidance.
    pub cfg_scale: Option<f64>,
    /// Seed of every random draw.
    pub seed: Option<u64>,
}

/// What only this server knows.
#[derive(Default)]
pub(crate) struct Extension {
    pub prefill: Vec<Prefill>,
    /// Names of the defences to use; absent: all the server was started with.
    pub defences: Option<Vec<String>>,
    pub return_trace: bool,
    /// Special-token strings in the texts are the tokens.
    pub allow_special: bool,
    /// How many tokens at the end of the prompt are scored.
    pub score_tail: Option<usize>,
}

/// Words that stand in the answer from the beginning.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prefill {
    /// Response offset of the first token.
    #[serde(alias = "position")]
    pub offset: usize,
    pub text: String,
}

impl Asked {
    /// A request to `/v1/chat/completions`.
    pub(crate) fn chat(body: Value) -> Result<Self, Fault> {
        let mut fields = Fields::of(body)?;
        let Some(messages) = fields.take::<Vec<TurnField>>("messages")? else {
            return Err(Fault::field("messages", "`messages` is missing"));
        };
        let prompted = conversation(messages)?;
        fields.only("top_logprobs", &[json!(0)])?;
        fields.only("response_format", &[json!({"type": "text"})])?;
        for key in ["tools", "functions"] {
            fields.only(key, &[json!([])])?;
        }
        fields.only("tool_choice", &[json!("none")])?;
        fields.only("modalities", &[json!(["text"])])?;
        let logprobs = fields.take("logprobs")?.unwrap_or(false);
        let longest = fields.count("max_completion_tokens", 1, POSITIONS)?;
        let mut asked = Self::common(fields, vec![prompted], logprobs, false)?;
        asked.max_tokens = longest.or(asked.max_tokens);
        Ok(asked)
    }

    /// A request to `/v1/completions`.
    pub(crate) fn completion(body: Value) -> Result<Self, Fault> {
        let mut fields = Fields::of(body)?;
        let Some(prompt) = fields.take::<PromptField>("prompt")? else {
            return Err(Fault::field("prompt", "`prompt` is missing"));
        };
        let echo = fields.take("echo")?.unwrap_or(false);
        let logprobs = fields.count("logprobs", 0, 1)?.is_some();
        fields.only("best_of", &[json!(1)])?;
        fields.only("suffix", &[json!("")])?;
        let prompts = prompt.prompts();
        if !(1..=PROMPTS).contains(&prompts.len()) {
            return Err(Fault::field("prompt", format!("`prompt` holds {} prompts of 1..={PROMPTS}", prompts.len())));
        }
        let prompted = |prompt| Prompted { prompt, prefix: String::new() };
        Self::common(fields, prompts.into_iter().map(prompted).collect(), logprobs, echo)
    }

    /// What both ways to ask have in common.
    fn common(mut fields: Fields, prompts: Vec<Prompted>, logprobs: bool, echo: bool) -> Result<Self, Fault> {
        for key in ["frequency_penalty", "presence_penalty"] {
            fields.only(key, &[json!(0), json!(0.0)])?;
        }
        fields.only("logit_bias", &[json!({})])?;
        fields.only("service_tier", &[json!("auto"), json!("default")])?;
        fields.only("store", &[json!(false)])?;
        for key in ["user", "metadata", "safety_identifier", "prompt_cache_key"] {
            fields.ignored(key);
        }
        let mut own = fields.inner("mosa", "mosa.")?;
        let knobs = Knobs::read(&mut fields, &mut own)?;
        let extension = Extension::read(&mut own)?;
        own.end()?;
        let asked = Self {
            model: fields.take("model")?,
            prompts,
            n: fields.count("n", 1, CHOICES)?.unwrap_or(1),
            max_tokens: fields.count("max_tokens", 0, POSITIONS)?,
            stop: fields.take::<StopField>("stop")?.map(StopField::texts).unwrap_or_default(),
            logprobs,
            stream: Stream::read(&mut fields)?,
            echo,
            knobs,
            extension,
        };
        fields.end()?;
        if asked.stream.is_some_and(|stream| stream.diffusing) && asked.n * asked.prompts.len() > 1 {
            return Err(Fault::field("diffusing", "`diffusing` shows one answer at a time: ask with `n` = 1"));
        }
        Ok(asked)
    }
}

impl Stream {
    fn read(fields: &mut Fields) -> Result<Option<Self>, Fault> {
        let mut told = fields.inner("stream_options", "stream_options.")?;
        let usage = told.take("include_usage")?.unwrap_or(false);
        told.only("include_obfuscation", &[json!(false)])?;
        told.end()?;
        let diffusing = fields.take("diffusing")?.unwrap_or(false);
        match fields.take("stream")?.unwrap_or(false) {
            true => Ok(Some(Self { usage, diffusing })),
            false if diffusing => Err(Fault::field("diffusing", "`diffusing` needs \"stream\": true")),
            false => Ok(None),
        }
    }
}

impl Knobs {
    /// What stands beside the request, and what stands in its extension.
    fn read(fields: &mut Fields, own: &mut Fields) -> Result<Self, Fault> {
        let seed: Option<i64> = fields.take("seed")?;
        let own_seed: Option<u64> = own.take("seed")?;
        // 1 is what everybody sends who does not want it.
        let top_p = fields.number("top_p", 0.0, 1.0)?.filter(|p| *p < 1.0);
        Ok(Self {
            gen_length: own.count("gen_length", 1, POSITIONS)?,
            steps: own.count("steps", 1, POSITIONS)?,
            block_length: own.count("block_length", 1, POSITIONS)?,
            remasking: own.take("remasking")?,
            alg: own.take("alg")?,
            threshold: own.number("threshold", 0.0, 1.0)?,
            factor: own.number("factor", 0.0, 1e6)?,
            cache: own.take("cache")?,
            temperature: fields.number("temperature", 0.0, 2.0)?,
            top_p,
            top_k: own.count("top_k", 1, POSITIONS)?,
            cfg_scale: own.number("cfg_scale", 0.0, 1e6)?,
            seed: own_seed.or(seed.map(i64::cast_unsigned)),
        })
    }
}

impl Extension {
    fn read(own: &mut Fields) -> Result<Self, Fault> {
        Ok(Self {
            prefill: own.take("prefill")?.unwrap_or_default(),
            defences: own.take("defences")?,
            return_trace: own.take("return_trace")?.unwrap_or(false),
            allow_special: own.take("allow_special")?.unwrap_or(false),
            score_tail: own.count("score_tail", 1, POSITIONS)?,
        })
    }
}

impl Asked {
    /// A prompt as it is meant: the strings of special tokens in it are words, unless they were asked for.
    pub(crate) fn meant(&self, prompted: &Prompted, text: &TextModel) -> Prompted {
        if self.extension.allow_special { prompted.clone() } else { prompted.clone().literal(text) }
    }
}

impl Prompted {
    /// The same, with the strings of special tokens as words.
    fn literal(self, text: &TextModel) -> Self {
        let prompt = match self.prompt {
            Prompt::Chat(messages) => {
                let literal = |m: Message| Message { content: text.literal(&m.content), ..m };
                Prompt::Chat(messages.into_iter().map(literal).collect())
            }
            Prompt::Raw(words) => Prompt::Raw(text.literal(&words)),
            ids @ Prompt::Ids(_) => ids,
        };
        Self { prompt, prefix: text.literal(&self.prefix) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TurnField {
    role: String,
    content: Option<ContentField>,
    /// Who speaks, among several of a role; templates of these models do not say it.
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ContentField {
    Text(String),
    Parts(Vec<PartField>),
}

#[derive(Deserialize)]
struct PartField {
    r#type: String,
    text: Option<String>,
}

/// A conversation; a last turn of the assistant is gone on from.
fn conversation(turns: Vec<TurnField>) -> Result<Prompted, Fault> {
    let mut messages = Vec::with_capacity(turns.len());
    for (number, turn) in turns.into_iter().enumerate() {
        let at = format!("messages[{number}]");
        let role = match turn.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                return Err(Fault::field(at, format!("the role {other:?} is none of system, user, assistant")));
            }
        };
        let content = match turn.content {
            Some(ContentField::Text(text)) => text,
            Some(ContentField::Parts(parts)) => parts
                .into_iter()
                .map(|part| match (part.r#type.as_str(), part.text) {
                    ("text", Some(text)) => Ok(text),
                    (other, _) => {
                        Err(Fault::field(&at, format!("a part of type {other:?} is no text: this model reads text")))
                    }
                })
                .collect::<Result<Vec<_>, _>>()?
                .concat(),
            None => return Err(Fault::field(at, "`content` is missing")),
        };
        messages.push(Message { role, content });
    }
    let prefix = match messages.last() {
        None => return Err(Fault::field("messages", "`messages` is empty")),
        Some(last) if last.role == Role::Assistant => messages.pop().map(|m| m.content).unwrap_or_default(),
        Some(_) => String::new(),
    };
    if messages.is_empty() {
        return Err(Fault::field("messages", "`messages` holds no turn to answer"));
    }
    Ok(Prompted { prompt: Prompt::Chat(messages), prefix })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PromptField {
    Text(String),
    Ids(Vec<TokenId>),
    Texts(Vec<String>),
    ManyIds(Vec<Vec<TokenId>>),
}

impl PromptField {
    fn prompts(self) -> Vec<Prompt> {
        match self {
            Self::Text(text) => vec![Prompt::Raw(text)],
            Self::Ids(ids) if ids.is_empty() => Vec::new(),
            Self::Ids(ids) => vec![Prompt::Ids(ids)],
            Self::Texts(texts) => texts.into_iter().map(Prompt::Raw).collect(),
            Self::ManyIds(all) => all.into_iter().map(Prompt::Ids).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StopField {
    One(String),
    Many(Vec<String>),
}

impl StopField {
    fn texts(self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }
}
