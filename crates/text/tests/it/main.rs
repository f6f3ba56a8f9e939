//! Tokenisers, chat templates, special ids and prompt files.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod chat;
mod continued;
mod conversations;
mod hostile;
mod ids;
mod prompts;
mod rows;
mod templates;
mod tokenizer;

use mosa_core::{DefaultSampler, Family};
use mosa_text::{Columns, Message, Prompt, PromptRecord, TableRow, TextError, parse_rows};
use std::path::{Path, PathBuf};

const LLADA: Family = Family { name: "LLaDA", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks };
const DREAM: Family = Family { name: "Dream", turn_ends: &["<|im_end|>"], sampler: DefaultSampler::Timesteps };

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A folder with the tokenizer.json of a fixture, changed.
fn edited(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tokenizer = json(fixture(name).join("tokenizer.json"));
    change(&mut tokenizer);
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    dir
}

/// The rows of a file with this name and content.
fn parsed(name: &str, content: &str, columns: &Columns) -> Result<Vec<TableRow>, TextError> {
    parse_rows(Path::new(name), content, columns)
}

/// A text as a user's turn.
fn user(id: &str, text: &str) -> PromptRecord {
    PromptRecord::new(id, Prompt::Chat(vec![Message::user(text)]))
}
