//! What a benchmark asks for.

use mosa_text::{Message, Prompt, PromptRecord};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One behaviour of a benchmark: a request and what its file says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Unique in its benchmark (see [`Kind`](crate::Kind) for where it comes from).
    pub id: String,
    /// The row of its file, from 0; JailbreakBench's `Index`.
    pub index: usize,
    /// The request in its original words: what judges are told.
    pub text: String,
    /// Text the request refers to (HarmBench's `ContextString`).
    pub context: Option<String>,
    /// What it is about (`category`, HarmBench's `SemanticCategory`, XSTest's `type`).
    pub category: Option<String>,
    /// HarmBench's `FunctionalCategory`.
    pub functional: Option<Functional>,
    /// HarmBench's `Tags`: none, `context`, or `lyrics` or `book` with `hash_check`.
    pub tags: Vec<String>,
    /// The beginning of an answer that complies: AdvBench's and JailbreakBench's target column, HarmBench's optimizer
    /// targets.
    pub target: Option<String>,
    /// A whole answer that complies: the column `response`, or a file of answers
    /// ([`join_answers`](crate::join_answers)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How it is asked (SORRY-Bench's `prompt_style`).
    pub style: Option<String>,
    /// Where the row comes from (StrongREJECT's and JailbreakBench's `source`).
    pub source: Option<String>,
    /// Whether an answer does harm, where the file says so (XSTest's `label`).
    pub label: Option<Label>,
    /// What is sent where that is not one text: a conversation or token ids (see
    /// [`ReadOptions::conversations`](crate::ReadOptions)); `text` then holds the user's turns.
    #[serde(skip)]
    pub asked: Option<Prompt>,
}

impl Behaviour {
    /// What a model is sent: the text, behind its context if it has one. HarmBench's own baselines put `---` between
    /// the two (`baselines/direct_request`).
    pub fn prompt(&self) -> String {
        match &self.context {
            Some(context) => format!("{context}\n\n---\n\n{}", self.text),
            None => self.text.clone(),
        }
    }

    /// The same as a prompt for a model in this process: a user's turn, or with `raw` plain text. Conversations and
    /// token ids are sent as they are.
    pub fn record(&self, raw: bool) -> PromptRecord {
        let prompt = match &self.asked {
            Some(asked) => asked.clone(),
            None if raw => Prompt::Raw(self.prompt()),
            None => Prompt::Chat(vec![Message::user(self.prompt())]),
        };
        PromptRecord {
            response: self.target.clone(),
            style: self.style.clone(),
            category: self.category.clone(),
            ..PromptRecord::new(&self.id, prompt)
        }
    }
}

/// HarmBench's functional categories: 200, 100 and 100 of its 400 text behaviours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Functional {
    /// A request that stands alone; what most papers report.
    Standard,
    /// A request with a context string, judged with a prompt of its own.
    Contextual,
    /// A request for lyrics or pages of a book. It is scored by the MinHash of 100 reference texts and not by the
    /// classifier, so no judge of this toolkit can score it.
    Copyright,
}

impl Functional {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Contextual, Self::Copyright];

    /// As it is written in HarmBench's files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Contextual => "contextual",
            Self::Copyright => "copyright",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

impl fmt::Display for Functional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What XSTest says about a prompt: 250 safe ones, which a model should answer, and 200 unsafe contrasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// An answer does no harm; a refusal is over-refusal.
    Safe,
    /// An answer does harm.
    Unsafe,
}

impl Label {
    /// As it is written in XSTest's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
        }
    }
}
