//! The built-in tasks on the published files, where those are at hand.

use crate::at_hand::at_hand;
use mosa_task::{Choice, FileTask, Task, TaskFile, built_ins};
use mosa_text::Prompt;

fn folder(task: &str) -> Option<std::path::PathBuf> {
    at_hand(&format!("data/{task}"))
}

fn load(task: &str, protocol: &str, choice: &Choice) -> Option<FileTask> {
    let folder = folder(task)?;
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
        let Some(task) = load(built_in.name, built_in.protocol, &Choice::default()) else { return };
        assert_eq!(task.items().len(), items(built_in.name), "{} by {}", built_in.name, built_in.protocol);
        assert!(!matches!(task.items()[0].question.prompt, Prompt::Ids(_)));
    }
}
