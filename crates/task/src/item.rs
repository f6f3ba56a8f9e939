//! One item of a task.

use mosa_text::Prompt;
use serde_json::{Map, Value};

/// One question of a benchmark, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique in its task, and the same whatever part of the benchmark is run.
    pub id: String,
    /// Its place among all items of the benchmark, from 0, before any selection.
    pub index: usize,
    /// What it is counted under beside the whole: a subject, a half, a cell.
    pub group: Option<String>,
    /// Where it stands, for messages: `test.jsonl, line 3`.
    pub place: String,
    /// What the model is asked.
    pub question: Question,
    /// The right answer as a record shows it: a number, a letter, an expected conduct.
    pub gold: String,
    /// The row it was made from, for whatever scores it.
    pub row: Map<String, Value>,
}

/// What a model is asked at an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The prompt, shots included: a conversation that goes through the chat template, or a text.
    pub prompt: Prompt,
    /// Words behind the prompt (and behind the header of the assistant's turn) that the answer goes on from; mostly empty.
    pub prefix: String,
    /// Texts that are scored behind the prompt, what parts them from it included; empty where the model writes.
    pub choices: Vec<String>,
}
