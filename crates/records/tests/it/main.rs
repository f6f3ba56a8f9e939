//! Run folders and record files: resume, kills, drift.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod chunks;
mod crash;
mod defence;
mod identity;
mod lock;
mod parts;
mod verdict;

use mosa_records::{
    AnswerRecord, Archive, Batches, ForcedWords, Log, OrderRecord, Place, Record, RecordsError, RunFolder, View,
    write_whole,
};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;

fn record(id: usize) -> OrderRecord {
    let at = vec![vec![id], vec![id + 1]];
    OrderRecord { group: "benign".into(), id: id.to_string(), length: 8, words: at.clone(), ends: at }
}

fn fill(path: &Path, n: usize, stop_after: usize) -> bool {
    let mut log = Log::open(path).expect("the log opens");
    let cases: Vec<usize> = (0..n).collect();
    let batches = std::cell::Cell::new(0);
    log.fill(
        Batches { cases: &cases, size: 3 },
        |c| format!("benign/{c}"),
        || batches.get() >= stop_after,
        |batch| {
            batches.set(batches.get() + 1);
            Ok::<_, RecordsError>(batch.iter().map(|&c| record(c)).collect())
        },
    )
    .expect("the log is filled")
}

#[test]
fn a_folder_is_opened_again_by_the_same_run_alone() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let manifest = json!({"command": "probe order", "settings": {"steps": 4, "lr": 0.1}});
    RunFolder::open(&run, &manifest).unwrap();
    RunFolder::open(&run, &manifest).unwrap();
    let other = json!({"command": "probe order", "settings": {"steps": 5, "lr": 0.1}, "model": "x"});
    let message = RunFolder::open(&run, &other).unwrap_err().to_string();
    assert!(message.contains("settings.steps was 4, is 5") && message.contains("model was null"), "{message}");
    let stored = RunFolder::manifest(&run).unwrap();
    assert_eq!(stored["schema"], "run/2");
    assert!(stored["machine"]["cores"].as_u64().unwrap() > 0);
}

#[test]
fn the_machine_may_change_between_the_sessions_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = json!({"command": "x"});
    RunFolder::open(dir.path(), &manifest).unwrap();
    let path = dir.path().join("manifest.json");
    let elsewhere = std::fs::read_to_string(&path).unwrap().replace("\"cores\": ", "\"cores\": 1");
    std::fs::write(&path, elsewhere).unwrap();
    RunFolder::open(dir.path(), &manifest).unwrap();
}

#[test]
fn a_folder_with_other_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    let message = RunFolder::open(dir.path(), &json!({})).unwrap_err().to_string();
    assert!(message.contains("not a run folder"), "{message}");
}

#[test]
fn a_record_that_is_there_is_not_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    let mut log = Log::open(&path).unwrap();
    log.push(record(1)).unwrap();
    log.push(record(1)).unwrap();
    assert_eq!(log.records(), [record(1)]);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert!(log.has("benign/1") && !log.has("benign/2"));
}

#[test]
fn records_that_are_not_kept_are_gone_from_the_file_and_may_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    let mut log = Log::open(&path).unwrap();
    (0..4).for_each(|id| log.push(record(id)).unwrap());
    let before = std::fs::read(&path).unwrap();
    log.retain(|_| true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    log.retain(|r| r.id != "1").unwrap();
    assert!(!log.has("benign/1") && log.has("benign/2"));
    log.push(record(1)).unwrap();
    drop(log);
    assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 2, 3, 1].map(record));
}

#[test]
fn a_record_that_is_replaced_keeps_its_place_and_the_others_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    let mut log = Log::open(&path).unwrap();
    (0..4).for_each(|id| log.push(record(id)).unwrap());
    let before = std::fs::read_to_string(&path).unwrap();
    log.replace(|r| Some(r.clone())).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    log.replace(|r| (r.id == "1").then(|| record(9))).unwrap();
    log.push(record(5)).unwrap();
    assert!(log.has("benign/9") && !log.has("benign/1"));
    drop(log);
    assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 9, 2, 3, 5].map(record));
    let after = std::fs::read_to_string(&path).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&after)[2..4], lines(&before)[2..4]);
}

#[test]
fn an_archive_gives_back_what_was_written_at_a_place_and_cuts_half_a_line_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    let mut archive = Archive::open(&path, |_: OrderRecord, _| panic!("a new file holds nothing")).unwrap();
    let places: Vec<Place> = (0..5).map(|id| archive.push(&record(id)).unwrap()).collect();
    assert_eq!(archive.read(places[3]).unwrap(), record(3));
    archive.push(&record(5)).unwrap();
    archive.push(&record(6)).unwrap();
    drop(archive);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let mut seen = Vec::new();
    let mut archive = Archive::open(&path, |r: OrderRecord, place| seen.push((r, place))).unwrap();
    assert_eq!(seen.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5].map(record));
    assert_eq!(seen[3].1, places[3]);
    archive.push(&record(6)).unwrap();
    assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 1, 2, 3, 4, 5, 6].map(record));
    std::fs::write(&path, b"{\"schema\":\"order/9\"}\n").unwrap();
    assert!(Archive::open(&path, |_: OrderRecord, _| ()).unwrap_err().to_string().contains("order/9"));
    assert_eq!(std::fs::read(&path).unwrap().len(), 21);
}

#[test]
fn forced_words_of_one_place_are_read_as_they_were_written_before_there_were_several() {
    let words = |offset| ForcedWords { offset, tokens: 2, text: "step 1".into() };
    let read = |forced: serde_json::Value| {
        let record = json!({
            "group": "pad", "id": "1", "behaviour": "b", "texts": {"full": "", "to_end": ""}, "pieces": [], "steps": [],
            "confidences": [], "finish": "stop", "forwards": 1, "forced": forced,
        });
        serde_json::from_value::<AnswerRecord>(record).map(|r| r.forced)
    };
    assert_eq!(read(json!({"offset": 3, "tokens": 2, "text": "step 1"})).unwrap(), [words(3)]);
    assert_eq!(read(json!([words(3), words(9)])).unwrap(), [words(3), words(9)]);
    assert_eq!(read(json!([])).unwrap(), []);
    assert!(read(json!("step 1")).is_err());
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 3, 9);
    let broken = std::fs::read_to_string(&path).unwrap().replacen("\"id\":\"1\"", "\"id\":1", 1);
    std::fs::write(&path, &broken).unwrap();
    let message = Log::<OrderRecord>::open(&path).unwrap_err().to_string();
    assert!(message.contains("line 2"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
}

#[test]
fn records_of_another_schema_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 1, 9);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("order/1", "order/2")).unwrap();
    assert!(Log::<OrderRecord>::open(&path).unwrap_err().to_string().contains("order/2"));
}

#[test]
fn half_a_last_line_is_left_out_by_readers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 2, 9);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 5]).unwrap();
    assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [record(0)]);
    assert!(Log::<OrderRecord>::read(&dir.path().join("none.jsonl")).unwrap().is_empty());
}

#[test]
fn a_file_is_written_whole_beside_files_of_the_same_stem() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.json", "a.csv"] {
        write_whole(&dir.path().join(name), name.as_bytes()).unwrap();
    }
    assert_eq!(std::fs::read(dir.path().join("a.json")).unwrap(), b"a.json");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn views_have_the_names_that_records_have() {
    for view in [View::Answer, View::WithoutForced] {
        assert_eq!(serde_json::to_value(view).unwrap(), view.name());
    }
    assert_eq!(OrderRecord::SCHEMA, "order/1");
}

proptest! {
    #[test]
    fn a_run_that_is_killed_anywhere_ends_in_the_same_bytes(n in 1usize..12, cuts in prop::collection::vec((0usize..5, any::<prop::sample::Index>()), 0..5)) {
        let dir = tempfile::tempdir().unwrap();
        let (whole, killed) = (dir.path().join("whole.jsonl"), dir.path().join("killed.jsonl"));
        prop_assert!(fill(&whole, n, usize::MAX));
        for (batches, at) in cuts {
            fill(&killed, n, batches);
            let bytes = std::fs::read(&killed).unwrap();
            std::fs::write(&killed, &bytes[..at.index(bytes.len() + 1)]).unwrap();
        }
        prop_assert!(fill(&killed, n, usize::MAX));
        prop_assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&killed).unwrap());
    }
}
