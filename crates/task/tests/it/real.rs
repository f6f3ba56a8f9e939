//! The built-in tasks on the published files, where those are at hand.

use crate::answers::fixture;
use crate::at_hand::at_hand;
use mosa_core::hex;
use mosa_task::{Choice, FileTask, Question, Task, TaskFile, built_ins};
use mosa_text::{Prompt, Role};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

fn load(task: &str, protocol: &str, choice: &Choice) -> Option<FileTask> {
    let folder = at_hand(&format!("data/{task}"))?;
    Some(TaskFile::built_in(task, Some(protocol)).unwrap().load(&folder, choice).unwrap())
}

#[test]
fn every_built_in_task_loads_all_items_of_the_published_files() {
    let items = |name: &str| match name {
        "gsm8k" => 1319,
        "mmlu" => 14_042,
        "humaneval" => 164,
        _ => 450,
    };
    for built_in in built_ins() {
        let Some(task) = load(built_in.name, built_in.protocol, &Choice::default()) else { continue };
        assert_eq!(task.items().len(), items(built_in.name), "{} by {}", built_in.name, built_in.protocol);
        assert!(!built_in.about().is_empty());
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The hashes of a question under the names that the fixture has for them.
fn hashes(question: &Question) -> HashMap<&'static str, String> {
    let mut all = HashMap::from([("prefix_sha256", digest(&question.prefix))]);
    match &question.prompt {
        Prompt::Raw(text) => {
            all.insert("sha256", digest(text));
        }
        Prompt::Chat(messages) => {
            let turns = |users: bool| {
                let of = messages.iter().filter(|m| !users || m.role == Role::User);
                digest(&of.map(|m| m.content.as_str()).collect::<Vec<_>>().join("\u{1e}"))
            };
            all.extend([("turns_sha256", turns(false)), ("user_turns_sha256", turns(true)), ("sha256", turns(true))]);
        }
        Prompt::Ids(_) => {}
    }
    all
}

#[test]
fn prompts_are_byte_for_byte_those_of_the_harnesses() {
    let mut tasks: HashMap<(String, String, usize), Option<FileTask>> = HashMap::new();
    for name in ["gsm8k", "mmlu", "humaneval"] {
        let rows = fixture("prompts.jsonl", name);
        assert!(!rows.is_empty());
        for row in rows {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let shots = row["shots"].as_u64().unwrap() as usize;
            let key = (name.to_owned(), text("protocol"), shots);
            let choice = Choice { shots: Some(shots), ..Choice::default() };
            let Some(task) = tasks.entry(key).or_insert_with(|| load(name, &text("protocol"), &choice)) else { break };
            let item = task.items().iter().find(|item| item.id == text("id")).unwrap();
            let ours = hashes(&item.question);
            let recorded = row.as_object().unwrap().iter().filter(|(key, _)| key.ends_with("sha256"));
            for (key, hash) in recorded {
                assert_eq!(ours.get(key.as_str()).map(String::as_str), hash.as_str(), "{name} {row}");
            }
            if let Value::Array(choices) = &row["choices"] {
                assert_eq!(item.question.choices, choices.iter().map(|c| c.as_str().unwrap()).collect::<Vec<_>>());
            }
        }
    }
}
