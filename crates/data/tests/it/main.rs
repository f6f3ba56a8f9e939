//! The laws of benchmarks: what is recognised, what is said about it, what is the same, what survives an exchange.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod at_hand;
mod check;
mod exchange;
mod published;
mod read;
mod sample;

use mosa_data::{Benchmark, DataError, ReadOptions};

/// Reads a file with this content.
fn read(name: &str, content: &str, options: &ReadOptions) -> Result<Benchmark, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    mosa_data::read(&path, options)
}

/// A benchmark of these prompts, with ids from 1.
fn plain(prompts: &[String]) -> Benchmark {
    let rows: Vec<String> = prompts.iter().map(|p| serde_json::json!({ "prompt": p }).to_string()).collect();
    read("plain.jsonl", &rows.join("\n"), &ReadOptions::default()).unwrap()
}
