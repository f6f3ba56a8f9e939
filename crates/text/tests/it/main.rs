//! Tokenisers, chat templates, special ids and prompt files.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod chat;
mod conversations;
mod prompts;
mod rows;
mod tokenizer;

use mosa_text::{Columns, Message, Prompt, PromptRecord, Row, TextError, parse_rows};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The rows of a file with this name and content.
fn parsed(name: &str, content: &str, columns: &Columns) -> Result<Vec<(usize, Row)>, TextError> {
    parse_rows(Path::new(name), content, columns)
}

/// A text as a user's turn.
fn user(id: &str, text: &str) -> PromptRecord {
    PromptRecord::new(id, Prompt::Chat(vec![Message::user(text)]))
}
