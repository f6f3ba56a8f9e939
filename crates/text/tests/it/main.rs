//! Tokenisers, chat templates, special ids and prompt files.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod chat;
mod hostile;
mod prompts;
mod templates;
mod tokenizer;

use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
