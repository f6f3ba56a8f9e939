//! One command at a time in a folder.

use mosa_records::{LOCK, Lock, RecordsError, RunFolder};
use serde_json::json;
use std::fs;

#[test]
fn a_second_command_is_refused_with_the_process_and_the_folder_until_the_first_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let manifest = json!({"command": "probe prefill"});
    let first = RunFolder::open(&run, &manifest).unwrap();
    let error = RunFolder::open(&run, &manifest).unwrap_err();
    assert!(matches!(error, RecordsError::Busy { .. }));
    let message = error.to_string();
    let process = format!("process {} (mosa probe prefill)", std::process::id());
    assert!(message.contains(&process) && message.contains(&run.display().to_string()), "{message}");
    assert!(Lock::is_held(&run) && Lock::take(&run, "judge").is_err());
    // A folder inside is another folder.
    RunFolder::open(&run.join("answers"), &json!({"command": "measure"})).unwrap();
    let second = first.clone();
    drop(first);
    assert!(Lock::is_held(&run), "as long as anyone has the folder");
    drop(second);
    assert!(!Lock::is_held(&run));
    RunFolder::open(&run, &manifest).unwrap();
    assert_eq!(fs::read_to_string(run.join(LOCK)).unwrap(), "", "who is gone is not named");
}

#[test]
fn what_a_killed_command_left_in_the_lock_file_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(LOCK), "process 1 (mosa align)\n").unwrap();
    assert!(!Lock::is_held(dir.path()));
    let lock = Lock::take(dir.path(), "judge").unwrap();
    assert_eq!(lock.warning(), None);
    let said = fs::read_to_string(dir.path().join(LOCK)).unwrap();
    assert_eq!(said, format!("process {} (mosa judge)\n", std::process::id()));
}

#[test]
fn a_folder_that_is_refused_is_left_without_a_lock_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    assert!(RunFolder::open(dir.path(), &json!({})).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
