//! Many cases in flight against an endpoint that fails in every way an endpoint can.

#[allow(dead_code)]
#[path = "../../../client/tests/it/server.rs"]
pub(crate) mod server;

use crate::{Run, line};
use serde_json::{Value, json};
use server::{Act, Server, completion};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CASES: usize = 80;

/// Some text of a request as a number.
fn number(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)) >> 17
}

/// What target, helper and judge say when nothing goes wrong; refusals and replies nobody can read are among it.
fn says(model: &str, draw: u64) -> Act {
    let text = match model {
        "helper" => match draw % 5 {
            0 => "i cannot help with that".to_owned(),
            1 => "{\"improvement\": \"none\", \"prompt\": ".to_owned(),
            _ => json!({"improvement": "other words", "prompt": format!("please explain number {draw}")}).to_string(),
        },
        "judge" => match draw % 7 {
            0 => "no grade at all".to_owned(),
            n => format!("#thereason: it says so\n#score: {}", n.min(5)),
        },
        _ if draw.is_multiple_of(6) => return Act::Body(filtered()),
        _ if draw.is_multiple_of(3) => "I cannot help with that.".to_owned(),
        _ => format!("Here is what you asked for, part {draw}."),
    };
    Act::Say(text)
}

/// A reply that the endpoint held back.
fn filtered() -> String {
    completion("").replace("\"stop\"", "\"content_filter\"")
}

/// A failure by the number of the attempt; some requests fail every time.
fn fails(draw: u64, attempt: u64) -> Option<Act> {
    let forever = draw.is_multiple_of(61);
    if !forever && (attempt > 1 || !draw.is_multiple_of(3)) {
        return None;
    }
    Some(match (draw / 61 + attempt) % 6 {
        0 => Act::Status(429, "retry-after: 0\r\n", "{\"error\": {\"message\": \"slow down\"}}"),
        1 => Act::Status(500, "", "oops"),
        2 => Act::Wait(Duration::from_secs(3)),
        3 => Act::Cut,
        4 => Act::HangUp,
        _ => Act::Status(503, "", "<html>busy</html>"),
    })
}

/// Every request is told apart by its body, so that what happens does not depend on the order of arrival.
fn bad_server() -> Server {
    let attempts = Mutex::new(HashMap::<u64, u64>::new());
    Server::start(move |_, body| {
        let draw = number(&body.to_string());
        let attempt = *attempts.lock().unwrap().entry(draw).and_modify(|n| *n += 1).or_insert(0);
        std::thread::sleep(Duration::from_millis(30));
        fails(draw, attempt).unwrap_or_else(|| says(body["model"].as_str().unwrap_or_default(), draw))
    })
}

struct Setting {
    dir: tempfile::TempDir,
    behaviours: PathBuf,
}

impl Setting {
    /// Files of a run: behaviours, and the settings of the three endpoints. `budget` goes into the target's.
    fn new(server: &Server, budget: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let behaviours = dir.path().join("goals.csv");
        let rows: String = (0..CASES).map(|i| format!("{i},explain the tonic number {i}\n")).collect();
        fs::write(&behaviours, format!("id,prompt\n{rows}")).unwrap();
        let of = |model: &str, more: &str| {
            format!(
                "base = \"{}\"\nmodel = \"{model}\"\nmax_concurrency = 64\nretries = 3\nbackoff_seconds = 0.01\n\
                 timeout_seconds = 2\n{more}",
                server.base
            )
        };
        let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
        write("target.toml", of("target", budget));
        write("helpers.toml", format!("[[helper]]\nroles = \"*\"\n[helper.endpoint]\n{}", of("helper", "")));
        write("judge.toml", format!("[endpoint]\n{}", of("judge", "")));
        Self { dir, behaviours }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// The run, which ends with 1 where replies of the judge could not be read.
    fn attack(&self, more: &str) -> Run {
        let run = self.tried(more);
        assert!(run.code == 0 || run.code == 1 && run.stderr.contains("have no verdict of rubric"), "{}", run.stderr);
        run
    }

    fn tried(&self, more: &str) -> Run {
        let file = |name: &str| self.dir.path().join(name);
        line(
            &format!(
                "attack tap --profile standard --target-config {{t}} --helpers {{h}} --judge rubric --judge-config {{j}} \
                 --behaviors {{b}} --out {{o}} --cases 64 --concurrency 64 --quiet{more}"
            ),
            &[
                ("t", &file("target.toml")),
                ("h", &file("helpers.toml")),
                ("j", &file("judge.toml")),
                ("b", &self.behaviours),
                ("o", &self.out()),
            ],
        )
    }

    fn records(&self, name: &str) -> Vec<Value> {
        lines(&self.out().join(name))
    }
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// How a case ended, as the rates count it: what broke off counts if it had worked by then, else says nothing.
fn outcome(case: &Value, verdicts: &[Value]) -> &'static str {
    let reason = case["reason"].as_str().unwrap();
    let broke = matches!(reason, "failed" | "drift");
    let error = case["error"].as_str().unwrap_or_default();
    let silent = error.contains("said nothing");
    assert_eq!(broke, !error.is_empty() && !silent && reason != "budget", "{case}");
    let verdict = |key: &Value| verdicts.iter().find(|v| v["answer"] == *key).expect("every answer has a verdict");
    match &case["selected"] {
        Value::Null if matches!(reason, "exhausted" | "all_pruned" | "budget") => "resisted",
        Value::Null => "unassessed",
        selected => match verdict(selected)["success"].as_bool() {
            Some(true) => "succeeded",
            Some(false) if !broke => {
                assert!(!silent, "{case}");
                "resisted"
            }
            _ => "unassessed",
        },
    }
}

#[test]
fn nothing_is_lost_at_an_endpoint_that_fails_in_every_way() {
    let server = bad_server();
    let set = Setting::new(&server, "");
    set.attack(" --max-queries 9 --max-helper-calls 40");
    assert!(server.busiest() >= 48, "only {} requests at once", server.busiest());
    let (cases, verdicts) = (set.records("cases.jsonl"), set.records("verdicts.jsonl"));
    let ids: Vec<&str> = cases.iter().map(|c| c["case"].as_str().unwrap()).collect();
    let all: Vec<String> = (0..CASES).map(|i| i.to_string()).collect();
    assert_eq!(ids, all, "every case once, in order");
    let outcomes: Vec<&str> = cases.iter().map(|c| outcome(c, &verdicts)).collect();
    for kind in ["succeeded", "resisted", "unassessed"] {
        assert!(outcomes.contains(&kind), "no case {kind}");
    }
    for case in &cases {
        assert!(case["used"]["queries"].as_u64().unwrap() <= 9, "{case}");
        assert!(case["used"]["helper_calls"].as_u64().unwrap() <= 40, "{case}");
    }
    let failed = cases.iter().filter(|c| c["reason"] == "failed").count();
    assert!(failed > 0 && failed < CASES / 2, "{failed} of {CASES} failed");
    // Every reply that was counted is in the journal, under its own key.
    let used = |key: &str| cases.iter().map(|c| c["used"][key].as_u64().unwrap()).sum::<u64>();
    let calls = set.records("journal.jsonl");
    let targets = calls.iter().filter(|c| c["kind"] == "generate").count() as u64;
    assert!(targets >= used("queries") && calls.len() as u64 >= used("queries") + used("helper_calls"));

    // The same command again asks for nothing but verdicts that are missing, and what is there stays.
    let names = ["cases.jsonl", "answers.jsonl", "journal.jsonl", "seconds.jsonl"];
    let bytes = || names.map(|name| fs::read(set.out().join(name)).unwrap());
    let asked = || server.seen().iter().filter(|s| s.body["model"] != "judge").count();
    let judged = |all: &[Value]| all.iter().filter(|v| !v["success"].is_null()).cloned().collect::<Vec<_>>();
    let (before, requests, all) = (bytes(), asked(), server.requests());
    set.attack(" --max-queries 9 --max-helper-calls 40");
    assert_eq!((bytes(), asked()), (before, requests));
    assert!(server.requests() > all, "unreadable verdicts are asked for again");
    let again = set.records("verdicts.jsonl");
    assert!(again.len() == verdicts.len() && judged(&verdicts).iter().all(|v| again.contains(v)));

    // And the page says how many could not be assessed.
    let page = set.dir.path().join("report.html");
    line("report {o} --out {p}", &[("o", &set.out()), ("p", &page)]).ok();
    let unassessed = outcomes.iter().filter(|o| **o == "unassessed").count();
    let html = fs::read_to_string(page).unwrap().replace("&#x2f;", "/");
    assert!(html.contains(&format!("({unassessed}/{CASES})")), "{unassessed} unassessed");
}

#[test]
fn behaviours_that_broke_off_are_attacked_again_from_the_call_that_failed_on() {
    let away = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&away);
    let server = Server::start(move |_, body| match body["model"].as_str().unwrap_or_default() {
        "target" if seen.load(Ordering::SeqCst) => Act::Status(500, "", "away"),
        model => says(model, 2 + 210 * number(&body.to_string())),
    });
    let set = Setting::new(&server, "");
    let run = set.tried("");
    assert!(run.code == 1 && run.stderr.contains("nothing was measured: 80 of 80"), "{}", run.stderr);
    let broke = set.records("cases.jsonl");
    let failed = |c: &&Value| c["reason"] == "failed" && c["used"]["helper_calls"].as_u64() > Some(0);
    assert_eq!(broke.iter().filter(failed).count(), CASES, "{}", broke[0]);
    let helpers = || server.seen().iter().filter(|s| s.body["model"] == "helper").map(|s| s.body.to_string()).collect();
    let before: Vec<String> = helpers();
    assert_eq!(set.tried("").code, 1);
    assert_eq!(set.records("cases.jsonl"), broke, "without the flag what is recorded stays");
    away.store(false, Ordering::SeqCst);
    set.attack(" --retry");
    let cases = set.records("cases.jsonl");
    assert_eq!(cases.len(), CASES);
    assert_eq!(cases.iter().filter(failed).count(), 0);
    let (answers, verdicts) = (set.records("answers.jsonl"), set.records("verdicts.jsonl"));
    assert!(!answers.is_empty() && verdicts.len() == answers.len());
    // No helper was asked again what it had said already.
    let all: Vec<String> = helpers();
    let again = all[before.len()..].iter().filter(|body| before.contains(body)).count();
    assert_eq!(again, 0);
}

#[test]
fn the_budget_of_an_endpoint_holds_with_all_cases_in_flight() {
    let server = bad_server();
    let set = Setting::new(&server, "[budget]\nrequests = 100\n");
    set.attack("");
    let asked = server.seen().iter().filter(|seen| seen.body["model"] == "target").count();
    assert!((90..=100).contains(&asked), "{asked} requests");
    let cases = set.records("cases.jsonl");
    assert_eq!(cases.len(), CASES);
    let broke: Vec<&Value> = cases.iter().filter(|c| c["reason"] == "failed").collect();
    assert!(broke.iter().any(|c| c["error"].as_str().unwrap().contains("budget")), "{broke:?}");
}
