//! Fabricated dialogues: turns with placeholders, and how they reach the target.

use crate::{Message, Role};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// One fabricated turn. `{goal}` and other names in braces stand for what was prepared (see
/// [`Texts`](super::Texts)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who seems to have said it.
    #[serde(deserialize_with = "common")]
    pub role: Role,
    /// What was said.
    pub text: String,
    /// What the turn is for.
    #[serde(default)]
    pub block: Block,
}

impl Turn {
    /// A turn of a block.
    pub fn new(role: Role, text: impl Into<String>, block: Block) -> Self {
        Self { role, text: text.into(), block }
    }
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Greeting, goal, task: always there.
    #[default]
    Frame,
    /// Who the assistant is said to be.
    SystemPrompt,
    /// Questions and answers about declining.
    Hypnosis,
    /// An answer that has begun, and the demand to complete it.
    AnswerGuidance,
}

/// Which blocks are there: the ablations of the published code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blocks {
    /// [`Block::SystemPrompt`].
    pub system_prompt: bool,
    /// [`Block::Hypnosis`].
    pub hypnosis: bool,
    /// [`Block::AnswerGuidance`].
    pub answer_guidance: bool,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { system_prompt: true, hypnosis: true, answer_guidance: true }
    }
}

impl Blocks {
    fn has(self, block: Block) -> bool {
        match block {
            Block::Frame => true,
            Block::SystemPrompt => self.system_prompt,
            Block::Hypnosis => self.hypnosis,
            Block::AnswerGuidance => self.answer_guidance,
        }
    }
}

/// How fabricated turns reach the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// As messages of their roles, system turns in the middle included; the target's chat template renders them.
    #[default]
    Native,
    /// The same, but a system turn in the middle becomes the beginning of the next user turn.
    Merged,
    /// All in one user turn with the tags of the chat template written out: template injection, a condition of its own.
    Tags,
}

/// The tags of a chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tags {
    /// Before a turn; `{role}` stands for its role.
    pub before: String,
    /// After a turn.
    pub after: String,
}

impl Default for Tags {
    /// Those of LLaDA.
    fn default() -> Self {
        Self { before: "<|start_header_id|>{role}<|end_header_id|>\n\n".into(), after: "<|eot_id|>".into() }
    }
}

/// The turns of the blocks that are there, filled in. Turns without text are left out.
pub(super) fn filled(turns: &[Turn], blocks: Blocks, values: &[(&str, &str)]) -> Vec<Message> {
    let there = turns.iter().filter(|t| blocks.has(t.block));
    there
        .map(|t| Message::new(t.role.clone(), fill(&t.text, values)))
        .filter(|m| !m.content.trim().is_empty())
        .collect()
}

/// The turns as the target gets them.
pub(super) fn shaped(turns: Vec<Message>, history: History, tags: &Tags) -> Vec<Message> {
    match history {
        History::Native => turns,
        History::Merged => merged(turns),
        History::Tags => tagged(turns, tags),
    }
}

fn merged(turns: Vec<Message>) -> Vec<Message> {
    let (mut out, mut held): (Vec<Message>, Vec<String>) = (Vec::new(), Vec::new());
    for turn in turns {
        match turn.role {
            Role::System if !out.is_empty() => held.push(turn.content),
            Role::User => {
                held.push(turn.content);
                out.push(Message::new(Role::User, std::mem::take(&mut held).join("\n\n")));
            }
            _ => out.push(turn),
        }
    }
    out
}

/// The first system turn stays one. The tags around the text as a whole are the template's own.
fn tagged(mut turns: Vec<Message>, tags: &Tags) -> Vec<Message> {
    let first = turns.first().is_some_and(|t| t.role == Role::System);
    let mut out: Vec<Message> = turns.drain(..usize::from(first)).collect();
    let mut text = String::new();
    for (i, turn) in turns.iter().enumerate() {
        if i > 0 {
            text.push_str(&tags.after);
            text.push_str(&fill(&tags.before, &[("role", turn.role.as_str())]));
        }
        text.push_str(&turn.content);
    }
    out.push(Message::new(Role::User, text));
    out
}

/// Only roles that every chat template and endpoint knows.
fn common<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
    match Role::deserialize(from)? {
        Role::Other(name) => Err(Error::unknown_variant(&name, &Role::COMMON)),
        role => Ok(role),
    }
}

/// Puts values in the place of their names in braces, in one pass: braces inside values mean nothing.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(brace) = rest.find('{') {
        let (before, behind) = (&rest[..brace], &rest[brace + 1..]);
        out.push_str(before);
        let named =
            |(name, value): &(&str, &str)| Some((value.to_string(), behind.strip_prefix(name)?.strip_prefix('}')?));
        match values.iter().find_map(named) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out + rest
}
