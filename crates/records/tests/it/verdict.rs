use mosa_records::{AnswerRecord, FILTERED, REASONING, Record, Texts, VerdictRecord, View, tell_judges_apart, unsaid};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn by(parts: &[(&str, Value)]) -> BTreeMap<String, Value> {
    parts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn verdict(judge: &str, parts: &[(&str, Value)]) -> VerdictRecord {
    VerdictRecord { answer: "tap/a#0".into(), judge: judge.into(), by: by(parts), ..VerdictRecord::default() }
}

/// As earlier versions wrote them.
fn earlier(judge: &str, model: &str) -> VerdictRecord {
    let detail = json!({"model": model, "template": "t"});
    VerdictRecord { answer: "tap/a#0".into(), judge: judge.into(), detail, ..VerdictRecord::default() }
}

#[test]
fn a_verdict_is_known_by_all_that_decides_it() {
    let a = [("model", json!("a")), ("template", json!("t")), ("temperature", json!(0.0))];
    let b = [("model", json!("b")), ("template", json!("t")), ("temperature", json!(0.0))];
    assert_ne!(verdict("rubric", &a).key(), verdict("rubric", &b).key());
    assert!(verdict("rubric", &a).is_of("rubric", &by(&a)) && !verdict("rubric", &a).is_of("rubric", &by(&b)));
    assert!(!verdict("rubric", &a).is_of("rubric-above4", &by(&a)));
    // What an earlier version does not say is taken to be the same.
    assert!(earlier("rubric", "a").is_of("rubric", &by(&a)) && !earlier("rubric", "b").is_of("rubric", &by(&a)));
    let line = r#"{"answer":"tap/a#0","view":"answer","judge":"exact","success":true,"value":1.0,"status":"ok","detail":{"model":null}}"#;
    let exact: VerdictRecord = serde_json::from_str(line).unwrap();
    assert!(exact.is_of("exact", &BTreeMap::new()) && exact.is_about("anything"));
    assert_eq!(exact.key(), "exact/answer/tap/a#0");
}

#[test]
fn judges_are_named_by_their_differences_and_only_by_these() {
    let names = |mut all: Vec<VerdictRecord>| {
        tell_judges_apart(&mut all);
        all.into_iter().map(|v| v.judge).collect::<Vec<_>>()
    };
    let full = |model: &str, temperature: f64| {
        verdict("rubric", &[("model", json!(model)), ("template", json!("t")), ("temperature", json!(temperature))])
    };
    assert_eq!(
        names(vec![full("a", 0.0), earlier("rubric", "a"), verdict("exact", &[])]),
        ["rubric", "rubric", "exact"]
    );
    assert_eq!(names(vec![full("a", 0.0), earlier("rubric", "b")])[1], "rubric (b)");
    assert_eq!(names(vec![full("a", 0.0), full("b", 0.0)]), ["rubric (a)", "rubric (b)"]);
    let mut without = full("a", 0.0);
    without.by.remove("temperature");
    assert_eq!(names(vec![full("a", 0.0), without]), ["rubric (temperature 0.0)", "rubric (no temperature)"]);
    assert_eq!(names(vec![full("a", 0.0), full("a", 0.5)]), ["rubric (temperature 0.0)", "rubric (temperature 0.5)"]);
}

fn answer(text: &str, finish: &str, forwards: usize) -> AnswerRecord {
    let texts = Texts { full: text.into(), to_end: text.into(), ..Texts::default() };
    let value = json!({"group": "tap", "id": "a#0", "behaviour": "ask", "texts": texts, "pieces": [], "steps": [],
        "confidences": [], "finish": finish, "forwards": forwards});
    serde_json::from_value(value).expect("a record")
}

#[test]
fn an_answer_of_an_endpoint_that_says_nothing_is_none_unless_it_ended_itself() {
    for finish in ["length", REASONING, FILTERED, "tool_calls", "no reason"] {
        assert!(answer("", finish, 0).unsaid().is_some() && answer(" \n", finish, 0).unsaid().is_some(), "{finish}");
        assert_eq!(answer("said", finish, 0).unsaid(), None, "{finish}");
        // A canvas of our own takes model calls.
        assert_eq!(answer("", finish, 3).unsaid(), None, "{finish}");
    }
    for finish in ["stop", "refusal", "imported"] {
        assert_eq!(unsaid("", finish, 0), None, "{finish}");
    }
}

#[test]
fn a_verdict_is_about_the_text_it_judged() {
    let hash = |a: &AnswerRecord| a.text_hash(View::Answer);
    let base = answer("said", "stop", 0);
    assert_eq!((hash(&base), hash(&base).len()), (hash(&answer("said", "length", 3)), 16));
    let mut others = [answer("other", "stop", 0), base.clone(), base.clone()];
    others[1].behaviour = "asked".into();
    others[2].tags.insert("context".into(), "there".into());
    assert!(others.iter().all(|other| hash(other) != hash(&base)));
    let about = VerdictRecord { text: hash(&base), ..verdict("rubric", &[]) };
    assert!(about.is_about(&hash(&base)) && !about.is_about(&hash(&others[0])));
}
