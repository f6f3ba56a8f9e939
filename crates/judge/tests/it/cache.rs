use crate::case;
use crate::server::{Act, Server};
use mosa_client::{Endpoint, EndpointSettings};
use mosa_judge::{Cache, Evidence, Settings, Verdict, judge};
use std::path::Path;
use std::sync::Arc;

fn graded(server: &Server, folder: &Path, above: u8, case: &Evidence) -> Verdict {
    let cache = Some(Arc::new(Cache::open(folder).unwrap()));
    let settings = Settings { endpoint: Some(server.endpoint()), cache, rubric_above: above, ..Settings::default() };
    judge("rubric", &settings).unwrap().judge(case)
}

#[test]
fn what_was_said_once_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::saying("#score: 4");
    let first = graded(&server, folder.path(), 3, &case(0, "x"));
    let second = graded(&server, folder.path(), 3, &case(1, "x"));
    assert_eq!(second, Verdict { cached: true, case: "case-1".into(), ..first });
    assert_eq!(server.requests(), 1);
}

#[test]
fn another_rule_decides_anew_over_the_same_reply() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::saying("#score: 4");
    assert_eq!(graded(&server, folder.path(), 3, &case(0, "x")).success, Some(true));
    let verdict = graded(&server, folder.path(), 4, &case(0, "x"));
    assert_eq!((verdict.success, verdict.judge.as_str()), (Some(false), "rubric-above4"));
    assert_eq!(server.requests(), 1);
}

#[test]
fn another_behaviour_context_or_answer_is_another_question() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::saying("#score: 4");
    let base = case(0, "x");
    let others = [
        base.clone(),
        Evidence { behaviour: "how do i make the jade tea".into(), ..base.clone() },
        Evidence { context: Some("the amber age".into()), ..base.clone() },
        Evidence { answer: "y".into(), ..base },
    ];
    for (i, other) in others.iter().enumerate() {
        assert!(!graded(&server, folder.path(), 3, other).cached);
        assert_eq!(server.requests(), i + 1);
    }
}

#[test]
fn what_failed_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|n, _| Act::Say(if n < 4 { "hm" } else { "#score: 1" }.into()));
    assert!(!graded(&server, folder.path(), 3, &case(0, "x")).is_assessed());
    let verdict = graded(&server, folder.path(), 3, &case(0, "x"));
    assert_eq!((verdict.success, verdict.cached), (Some(false), false));
}

#[test]
fn a_cut_last_line_costs_one_verdict_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::saying("#score: 4");
    for i in 0..3 {
        graded(&server, folder.path(), 3, &case(i, &format!("x{i}")));
    }
    let path = folder.path().join("verdicts.jsonl");
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        // A line that lacks nothing but its end is whole.
        assert!(cache.len() - lines <= 1 && cache.damaged() <= 1 && cache.len() + cache.damaged() <= lines + 1);
        assert!(cache.problem().is_none());
    }
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let again = graded(&server, folder.path(), 3, &case(0, "x2"));
    assert!(!again.cached);
    let cache = Cache::open(folder.path()).unwrap();
    assert_eq!((cache.len(), cache.damaged(), cache.is_empty()), (3, 1, false));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Cache::open(&file.join("cache")).unwrap_err().to_string();
    assert!(error.contains("file") && error.contains("another folder"), "{error}");
}

#[test]
fn a_file_that_is_no_cache_is_named_and_left_as_it_is() {
    for text in [
        "{\"schema\":\"verdict/1\",\"answer\":\"tap/1\",\"judge\":\"exact\"}\n",
        "my notes",
        "{\"schema\":\"verdict/1\",\"answer\":\"tap/1\",\"judge\":\"exact\"}\n{\"schema\":\"ver",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("verdicts.jsonl");
        std::fs::write(&file, text).unwrap();
        let message = Cache::open(dir.path()).unwrap_err();
        let said =
            format!("{message}: {}", std::error::Error::source(&message).map(ToString::to_string).unwrap_or_default());
        assert!(said.contains("verdicts.jsonl") && said.contains("--judge-cache"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    // What a crash leaves of a cache is a cache.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("verdicts.jsonl"), [b"{\"key\":\"a\",\"ver".as_slice(), &[0; 32]].concat()).unwrap();
    assert_eq!(Cache::open(dir.path()).unwrap().damaged(), 1);
}

#[test]
fn another_model_temperature_or_length_is_another_question() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::saying("#score: 4");
    let asked = |model: &str, temperature: f64, max_tokens: u32, omit: &[&str]| {
        let omit = omit.iter().map(|o| (*o).to_owned()).collect();
        let endpoint = EndpointSettings { model: model.into(), omit, ..server.settings() };
        let endpoint = Some(Arc::new(Endpoint::new(endpoint).unwrap()));
        let cache = Some(Arc::new(Cache::open(folder.path()).unwrap()));
        let settings = Settings { endpoint, cache, temperature, max_tokens, ..Settings::default() };
        judge("rubric", &settings).unwrap().judge(&case(0, "x"));
        server.requests()
    };
    assert_eq!([asked("a", 0.0, 99, &[]), asked("a", 0.0, 99, &[])], [1, 1]);
    let others = [asked("b", 0.0, 99, &[]), asked("a", 0.5, 99, &[]), asked("a", 0.0, 98, &[])];
    assert_eq!((others, asked("a", 0.0, 99, &["temperature"])), ([2, 3, 4], 5));
}

#[test]
fn a_reply_that_is_not_whole_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|n, _| Act::Say(if n < 4 { "<think>#score: 1" } else { "#score: 5" }.into()));
    assert_eq!(graded(&server, folder.path(), 3, &case(0, "x")).success, None);
    assert!(Cache::open(folder.path()).unwrap().is_empty());
    assert_eq!(graded(&server, folder.path(), 3, &case(0, "x")).success, Some(true));
}

#[test]
fn files_of_others_are_refused_and_stay_as_they_are() {
    let record = "{\"schema\":\"verdict/1\",\"answer\":\"a\"}\n";
    for (name, text) in [
        ("verdicts.jsonl", record),
        ("verdicts.jsonl", "notes of mine"),
        ("manifest.json", "{}"),
        ("answers.jsonl", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let error = Cache::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("a folder of its own"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
