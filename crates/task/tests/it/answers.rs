//! Recorded answers and what the harnesses themselves make of them (fixtures/lm_eval/make.py).

use crate::folder;
use mosa_task::{Choice, FileTask, Said, Scoring, Task, TaskFile};
use serde_json::Value;
use std::path::Path;

const SHOTLESS: Choice =
    Choice { groups: Vec::new(), limit: None, sample: None, seed: 0, shots: Some(0), shots_file: None };

/// The rows of a fixture that are about a task.
pub(crate) fn fixture(name: &str, task: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lm_eval").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["task"] == task).collect()
}

/// The recorded rows as the data of a task.
fn task(name: &str, protocol: &str, rows: &[Value]) -> FileTask {
    let lines: String = rows.iter().map(|row| format!("{}\n", row["row"])).collect();
    let dir = folder(&[("rows.jsonl", &lines)]);
    let file = TaskFile::built_in(name, Some(protocol)).unwrap();
    file.load(&dir.path().join("rows.jsonl"), &SHOTLESS).unwrap()
}

fn agrees(name: &str, protocol: &str) -> usize {
    let rows = fixture("answers.jsonl", name);
    let task = task(name, protocol, &rows);
    for (item, row) in task.items().iter().zip(&rows) {
        let answer = row["answer"].as_str().unwrap();
        let expected = row["expected"][protocol].as_object().unwrap();
        let scored = task.score(item, &Said::Text(answer.into())).unwrap();
        assert_eq!(scored.len(), expected.len());
        for scoring in scored {
            match scoring {
                Scoring::Done(score) => {
                    let expected = &expected[&score.metric];
                    let found = expected["extracted"].as_str().filter(|t| !["[invalid]", "NULL"].contains(t));
                    let found = found.filter(|t| !(t.is_empty() && protocol == "llada"));
                    let ours = score.extracted.as_deref().filter(|t| *t != "[invalid]");
                    assert_eq!(ours, found, "{protocol} {}: {answer:?}", score.metric);
                    assert_eq!(score.correct, expected["right"].as_bool(), "{protocol} {}: {answer:?}", score.metric);
                }
                Scoring::Program { metric, source, check } => {
                    assert_eq!(source, expected[&metric]["program"].as_str().unwrap(), "{protocol}: {answer:?}");
                    assert!(check.ends_with("\ncheck(double)"), "{check}");
                }
            }
        }
    }
    rows.len()
}

#[test]
fn answers_to_gsm8k_are_extracted_and_scored_as_the_harnesses_do() {
    for protocol in ["lm-eval", "llada"] {
        assert!(agrees("gsm8k", protocol) >= 60);
    }
}

#[test]
fn answers_to_mmlu_are_extracted_and_scored_as_the_harnesses_do() {
    for protocol in ["lm-eval-generative", "llada"] {
        assert!(agrees("mmlu", protocol) >= 60);
    }
}

#[test]
fn programs_are_made_of_answers_to_humaneval_as_the_harnesses_do() {
    for protocol in ["lm-eval", "lm-eval-instruct", "llada"] {
        assert!(agrees("humaneval", protocol) >= 60);
    }
}
