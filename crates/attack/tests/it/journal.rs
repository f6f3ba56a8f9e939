//! The journal: every attack goes on from it, and it gives back what was written into it.

use crate::script::{Script, attack_in, case, survives_every_kill};
use mosa_attack::{
    ATTACKS, Budget, CallRecord, Direct, Generation, Journal, Profile, Proposed, Scored, ScoredToken, SecondsRecord,
    Used, Written, attack,
};
use mosa_records::{Log, Record};
use serde_json::{Map, json};
use std::fs;

/// Replies to whatever is asked, with numbers where numbers are expected.
fn replies() -> Script {
    let mut script = Script::new("", "rewritten . score: 3 . label: 0_nonviolating <mask:4>");
    script.answer = Box::new(|asked| {
        let text = format!("step {} .", asked.messages.len());
        let (pieces, steps) = (vec![text.clone()], vec![Some(0)]);
        Ok(Generation { pieces, steps, confidences: vec![Some(1.0 / 3.0)], forwards: 2, ..Generation::plain(text) })
    });
    script.score = Box::new(|asked| {
        let words = asked.text.split_whitespace().take(4).enumerate();
        let token = |(rank, word): (usize, &str)| {
            let logprob = -0.1 - word.len() as f64 / 3.0;
            ScoredToken { text: word.into(), logprob, rank, best_other: logprob - 0.2, beyond_five: -0.7 }
        };
        Scored { tokens: words.map(token).collect(), forwards: 1, ..Scored::default() }
    });
    script.propose = Box::new(|asked| {
        let start: String = asked.suffix.chars().take(30).collect();
        (0..3).map(|i| Proposed { suffix: format!("{start} {i}"), loss: f64::from(i) / 7.0 + 0.3 }).collect()
    });
    script.write = Box::new(|asked| Written { text: format!("{} now", asked.opener), tokens: 2, forwards: 2 });
    script
}

#[test]
fn every_attack_that_is_killed_after_any_call_ends_in_the_bytes_of_an_uninterrupted_one() {
    for name in ATTACKS.iter().map(|row| row.name) {
        let attack = attack(name, Profile::Smoke, true, &Map::new()).unwrap();
        survives_every_kill(attack.as_ref(), replies);
    }
}

#[test]
fn a_reply_without_a_finite_number_is_replayed_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let token =
        ScoredToken { text: "a".into(), logprob: f64::NEG_INFINITY, best_other: 0.1 + 0.2, ..ScoredToken::default() };
    let proposed = [f64::INFINITY, f64::NEG_INFINITY, 1e-17].map(|loss| Proposed { suffix: "s".into(), loss });
    let call = |call: &str, reply| CallRecord {
        case: "one".into(),
        call: call.into(),
        kind: "score".into(),
        request: json!({}),
        reply,
    };
    let mut log = Log::open(&path).unwrap();
    log.push(call("a", serde_json::to_value(&token).unwrap())).unwrap();
    log.push(call("b", serde_json::to_value(&proposed).unwrap())).unwrap();
    let read: Vec<CallRecord> = Log::read(&path).unwrap();
    assert_eq!(serde_json::from_value::<ScoredToken>(read[0].reply.clone()).unwrap(), token);
    assert_eq!(serde_json::from_value::<Vec<Proposed>>(read[1].reply.clone()).unwrap(), proposed);
    // Earlier versions wrote null.
    let old: ScoredToken =
        serde_json::from_value(json!({"text": "a", "logprob": null, "rank": 0, "best_other": 1, "beyond_five": 0.5}))
            .unwrap();
    assert!(old.logprob.is_nan());
}

#[test]
fn a_journal_that_two_commands_wrote_answers_with_the_call_that_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let whole = attack_in(dir.path(), &Direct::default(), &replies(), &[case("one")], Budget::default());
    let path = dir.path().join("journal.jsonl");
    let own = fs::read_to_string(&path).unwrap();
    let foreign = own.replace("amber tonic", "green tonic");
    assert_ne!(own, foreign);
    fs::write(&path, format!("{foreign}{own}")).unwrap();
    for name in ["answers.jsonl", "cases.jsonl", "seconds.jsonl"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let journal = Journal::open(&path, |_| true).unwrap();
    assert!(journal.holds("one", &whole.cases[0].used));
    assert!(!journal.holds("one", &Used { queries: whole.cases[0].used.queries + 1, ..Used::default() }));
    assert!(!journal.holds("two", &whole.cases[0].used));
    drop(journal);
    let script = replies();
    fs::write(&path, format!("{foreign}{own}")).unwrap();
    let mut answers = Log::open(&dir.path().join("answers.jsonl")).unwrap();
    let mut cases = Log::open(&dir.path().join("cases.jsonl")).unwrap();
    let mut seconds = Log::open(&dir.path().join("seconds.jsonl")).unwrap();
    let journal = Journal::open(&path, |_| true).unwrap();
    let direct = Direct::default();
    let plan = mosa_attack::Plan {
        attack: &direct,
        target: &script,
        helpers: &script,
        budget: Budget::default(),
        concurrency: 1,
    };
    let mut records =
        mosa_attack::Records { journal: &journal, answers: &mut answers, cases: &mut cases, seconds: &mut seconds };
    assert!(mosa_attack::run(&plan, &[case("one")], &mut records, |_| {}).unwrap());
    assert_eq!(cases.into_records(), whole.cases);
    assert_eq!(script.queries(), 0, "nothing is asked again");
}

#[test]
fn times_of_two_commands_are_one_time_and_other_records_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seconds.jsonl");
    let line = |s: f64| format!("{{\"schema\":\"seconds/1\",\"attack\":\"tap\",\"case\":\"one\",\"seconds\":{s}}}\n");
    fs::write(&path, line(1.5) + &line(2.5)).unwrap();
    let read: Vec<SecondsRecord> = Log::read(&path).unwrap();
    assert_eq!(read.iter().map(|s| (s.key(), s.seconds)).collect::<Vec<_>>(), [("tap/one".to_owned(), 1.5)]);
}
