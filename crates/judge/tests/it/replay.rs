use crate::case;
use mosa_judge::{Judge, Keyword, Place, Recorded, Replay, Status, WordList, content_key, digest};
use std::path::{Path, PathBuf};

/// A file with the verdicts of these judges on one case.
fn recorded(folder: &Path, judges: &[Keyword]) -> PathBuf {
    let case = case(0, "unfortunately no");
    let line = |judge: &Keyword| {
        let key = content_key(&case.behaviour, &case.answer);
        serde_json::to_string(&Recorded { key, verdict: judge.judge(&case) }).unwrap() + "\n"
    };
    let path = folder.join("verdicts.jsonl");
    std::fs::write(&path, judges.iter().map(line).collect::<String>()).unwrap();
    path
}

fn strict() -> Keyword {
    Keyword::new(&WordList::Strict, Place::Anywhere).unwrap()
}

fn broad() -> Keyword {
    Keyword::new(&WordList::Broad, Place::Anywhere).unwrap()
}

#[test]
fn a_recorded_verdict_is_repeated_under_the_id_of_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let replay = Replay::read(&recorded(folder.path(), &[strict()]), None).unwrap();
    assert_eq!(replay.name(), "replay-keyword-strict-anywhere");
    let verdict = replay.judge(&case(9, "unfortunately no"));
    assert_eq!((verdict.case.as_str(), verdict.success, verdict.cached), ("case-9", Some(true), true));
}

#[test]
fn what_is_not_recorded_is_unassessed() {
    let folder = tempfile::tempdir().unwrap();
    let replay = Replay::read(&recorded(folder.path(), &[strict()]), None).unwrap();
    let verdict = replay.judge(&case(0, "unfortunately yes"));
    assert_eq!(verdict.success, None);
    assert!(matches!(&verdict.status, Status::Failed(why) if why.contains("no verdict is recorded")));
}

#[test]
fn of_several_judges_one_must_be_picked() {
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path(), &[strict(), broad()]);
    for of in [None, Some("rubric-above3")] {
        let error = Replay::read(&path, of).unwrap_err().to_string();
        assert!(error.contains("keyword-broad-anywhere, keyword-strict-anywhere"), "{error}");
    }
    let replay = Replay::read(&path, Some("keyword-broad-anywhere")).unwrap();
    assert_eq!(replay.judge(&case(0, "unfortunately no")).success, Some(false));
}

#[test]
fn a_bad_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path(), &[strict()]);
    let text = std::fs::read_to_string(&path).unwrap() + "\n{\"key\": 3}\n";
    std::fs::write(&path, text).unwrap();
    let error = Replay::read(&path, None).unwrap_err().to_string();
    assert!(error.contains("verdicts.jsonl, line 3"), "{error}");
}

#[test]
fn keys_are_the_sha256_of_netstrings() {
    // printf '1:a,2:bc,' | sha256sum
    assert_eq!(content_key("a", "bc"), "d16f37a638ba770eff5e5da16e42c72f44dc44fd4da2eeffa698877ed1fd986c");
    assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    assert_ne!(digest(&["a", ""]), digest(&["a"]));
}
