//! Attacks that see a monitor's score: what they rank by it, tell of it, need for it, and that off they are what they were.

use crate::script::{Left, Script, attack, survives_every_kill};
use mosa_attack::{
    Ability, Avoid, Evasion, Generate, Generation, Pair, Pal, Profile, Proposed, Reason, Said, Scored, ScoredToken,
    Seen, SuffixSearch, Tap, attack as made, check,
};
use mosa_records::AnswerRecord;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// An answer of which the monitor `m`, which stops from 0.5 on, says this.
fn watched(text: &str, suspicion: f64) -> Generation {
    let seen = Seen { monitor: "m".into(), value: -suspicion, suspicion, limit: Some(0.5) };
    Generation { monitors: vec![seen], ..Generation::plain(text) }
}

fn against(weight: Option<f64>) -> Evasion {
    Evasion { monitor: Some("m".into()), weight, threshold: None }
}

/// An attacker that proposes `p0`, `p1`, ...; the target answers with what stands behind the number of each prompt: a rating
/// and the suspicion of it.
fn rated(of: &'static [(u32, f64)]) -> Script {
    let number = |text: &str| text.trim_start_matches('p').parse::<usize>().unwrap();
    let mut script = Script::new("", "");
    script.abilities.insert(Ability::Monitor);
    script.answer = Box::new(move |asked| Ok(watched(asked.prompt(), of[number(asked.prompt())].1)));
    let next = AtomicUsize::new(0);
    script.reply = Box::new(move |role, talk| {
        let response = || {
            let fields: Value = serde_json::from_str(&talk.messages.last().unwrap().content).unwrap();
            fields["response"].as_str().unwrap().to_owned()
        };
        Ok(Said::Text(match role.rsplit('/').next().unwrap() {
            "attacker" => {
                json!({ "improvement": "i", "prompt": format!("p{}", next.fetch_add(1, SeqCst)) }).to_string()
            }
            "on-topic" => "[[YES]]".into(),
            _ => format!("Rating: [[{}]]", of[number(&response())].0),
        }))
    });
    script
}

fn tap(width: usize, branching: usize, depth: usize) -> Tap {
    Tap { width, branching, depth, cap_queries: false, evasion: against(None), ..Tap::default() }
}

fn pair(streams: usize, iterations: usize) -> Pair {
    Pair { streams, iterations, evasion: against(None), ..Pair::default() }
}

fn selected(left: &Left) -> &AnswerRecord {
    left.answers.iter().find(|a| a.tags["selected"] == "true").unwrap()
}

#[test]
fn an_answer_that_is_stopped_neither_ends_a_search_nor_is_kept_before_one_that_is_not() {
    for attack_of in [&tap(1, 3, 1) as &dyn mosa_attack::Attack, &pair(3, 1)] {
        // The first would be a success, the second is rated higher than the third.
        let left = attack(attack_of, &rated(&[(10, 0.75), (7, 0.5), (2, 0.25)]));
        assert_eq!(left.cases[0].reason, Reason::Exhausted, "{}", attack_of.name());
        let guides: Vec<&str> = left.answers.iter().map(|a| a.tags["guide"].as_str()).collect();
        assert_eq!(guides, ["-2.5", "-3", "2"], "10 - 10 * 1.25, 7 - 10 * 1, 2");
        assert_eq!(selected(&left).prompt, "p2");
        assert_eq!(selected(&left).tags["monitor m"], "-0.25");
        let passed = attack(attack_of, &rated(&[(1, 0.75), (10, 0.25), (2, 0.25)]));
        assert_eq!((passed.cases[0].reason, selected(&passed).prompt.as_str()), (Reason::GuideSuccess, "p1"));
    }
}

#[test]
fn where_all_are_stopped_the_least_suspicious_goes_on() {
    let left = attack(&tap(1, 3, 2), &rated(&[(1, 2.0), (1, 0.75), (1, 3.0), (1, 1.0), (1, 1.0), (1, 1.0)]));
    let parents: Vec<&str> = left.answers.iter().map(|a| a.tags["parent"].as_str()).collect();
    assert_eq!(parents, ["0", "0", "0", "2", "2", "2"]);
}

#[test]
fn the_weight_is_what_being_stopped_costs() {
    let tap = Tap { evasion: against(Some(1.0)), ..tap(1, 2, 1) };
    let left = attack(&tap, &rated(&[(7, 0.75), (2, 0.25)]));
    assert_eq!((selected(&left).prompt.as_str(), selected(&left).tags["guide"].as_str()), ("p0", "5.75"));
}

#[test]
fn the_attacker_is_told_what_the_monitor_said_of_its_last_prompt() {
    for attack_of in [&tap(1, 1, 2) as &dyn mosa_attack::Attack, &pair(1, 2)] {
        let script = rated(&[(3, 0.75), (3, 0.25)]);
        attack(attack_of, &script);
        let talks = script.talks.lock().unwrap();
        let (_, last) = talks.iter().rev().find(|(role, _)| role.ends_with("/attacker")).unwrap();
        assert!(last.messages[0].content.contains("\"monitor\" is what a detector thinks"));
        let told: Value = serde_json::from_str(&last.messages.last().unwrap().content).unwrap();
        assert_eq!(told["monitor"], json!({ "suspicion": 0.75, "limit": 0.5, "stopped": true }));
    }
}

#[test]
fn without_a_threshold_every_unit_of_suspicion_costs_and_an_answer_the_monitor_did_not_see_costs_nothing() {
    let mut script = rated(&[(5, 0.0), (5, 0.0)]);
    script.answer = Box::new(|asked| {
        let mut answer = watched(asked.prompt(), 0.25);
        answer.monitors[0].limit = None;
        Ok(if asked.prompt() == "p0" { answer } else { Generation::plain(asked.prompt()) })
    });
    let left = attack(&tap(1, 2, 1), &script);
    let guides: Vec<&str> = left.answers.iter().map(|a| a.tags["guide"].as_str()).collect();
    assert_eq!(guides, ["2.5", "5"]);
}

/// A target that scores every suffix alike, and finds `a` suspicious.
fn suffixes() -> Script {
    let mut script = Script::new("", "");
    script.abilities.insert(Ability::Monitor);
    let last = |asked: &Generate| asked.prompt().rsplit(' ').next().unwrap().to_owned();
    script.answer = Box::new(move |asked| Ok(watched("fine", if last(asked) == "b" { 0.25 } else { 0.75 })));
    script.propose = Box::new(|_| ["a", "b"].map(|s| Proposed { suffix: s.into(), loss: 1.0 }).to_vec());
    script.score = Box::new(|asked| {
        let ahead = if asked.messages[0].content.ends_with('a') { -3.0 } else { -1.0 };
        let token = ScoredToken { text: "t".into(), logprob: -0.5, best_other: ahead, ..ScoredToken::default() };
        Scored { tokens: vec![token], forwards: 1, ..Scored::default() }
    });
    script
}

fn pal(evasion: Evasion) -> Pal {
    let target = Some("x".into());
    Pal { init: "i".into(), target, sent: 2, max_steps: 1, margin: 9.0, evasion, ..Pal::default() }
}

#[test]
fn pal_answers_to_the_candidates_of_lowest_loss_and_takes_the_one_that_is_not_stopped() {
    let script = suffixes();
    let off = attack(&pal(Evasion::default()), &script);
    assert!(selected(&off).prompt.ends_with(" a"), "the lower loss");
    let script = suffixes();
    let left = attack(&pal(against(None)), &script);
    assert!(selected(&left).prompt.ends_with(" b"));
    // Three scores, an answer to each of the three suffixes, and the final one; the step's own answer is one of those.
    let (used, script) = (left.cases[0].used.queries, script.queries() as u64);
    assert_eq!((used, script, selected(&left).tags["queries"].as_str()), (7, 7, "7"));
    let watched: Vec<&Value> = left.cases[0].events.iter().filter(|e| e.what == "watched").map(|e| &e.detail).collect();
    assert_eq!(watched[1]["price"], json!(-2.5 + 1250.0));
    assert_eq!(watched[2]["monitor"]["stopped"], json!(false));
}

#[test]
fn a_suffix_search_has_the_monitor_in_its_proposals() {
    let mut script = suffixes();
    script.score = Box::new(|_| Scored::default());
    let search = |evasion| SuffixSearch { evasion, ..SuffixSearch::profile(Profile::Smoke) };
    let asked = |left: Left| left.calls.iter().find(|c| c.kind == "propose").unwrap().request.clone();
    let on = asked(attack(&search(against(Some(3.0))), &script));
    assert_eq!(on["avoid"], json!(Avoid { monitor: "m".into(), weight: 3.0 }));
    let off = asked(attack(&search(Evasion::default()), &script));
    assert!(off.as_object().unwrap().get("avoid").is_none(), "{off}");
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes_with_what_the_monitor_said() {
    const RATINGS: [(u32, f64); 64] = [(3, 0.75); 64];
    let by_prompt = || {
        let mut script = rated(&RATINGS);
        script.reply = Box::new(|role, talk| {
            let turns = talk.messages.len();
            Ok(Said::Text(match role.rsplit('/').next().unwrap() {
                "attacker" => json!({ "improvement": "i", "prompt": format!("p{turns}") }).to_string(),
                "on-topic" => "[[YES]]".into(),
                _ => "[[3]]".into(),
            }))
        });
        script
    };
    survives_every_kill(&tap(2, 2, 2), by_prompt);
    survives_every_kill(&pair(2, 2), by_prompt);
    survives_every_kill(&pal(against(None)), suffixes);
    survives_every_kill(&SuffixSearch { evasion: against(None), ..SuffixSearch::profile(Profile::Smoke) }, suffixes);
}

#[test]
fn off_no_byte_of_settings_and_answers_is_another() {
    for name in ["tap", "pair", "pal", "gcg", "first-step-gcg", "adv-prefix-optimised"] {
        let plain = made(name, Profile::Paper, false, &Map::new()).unwrap();
        assert!(!plain.settings().to_string().contains("monitor"), "{name}: {}", plain.settings());
        assert!(plain.watches().is_none() && !plain.needs().abilities.contains(&Ability::Monitor));
    }
    assert!(!json!(Generation::plain("a")).to_string().contains("monitor"));
    let old: Generation = serde_json::from_value(json!({
        "texts": { "full": "a", "to_end": "a" }, "finish": "stop", "forwards": 1
    }))
    .unwrap();
    assert!(old.monitors.is_empty());
}

fn set(name: &str, keys: Value) -> Result<Box<dyn mosa_attack::Attack>, String> {
    made(name, Profile::Smoke, false, keys.as_object().unwrap())
}

#[test]
fn what_is_set_is_in_the_manifest_with_the_weight_that_holds_and_is_asked_of_the_target() {
    for (name, weight, by_gradient) in
        [("tap", 10.0, false), ("pair", 10.0, false), ("pal", 1000.0, false), ("first-step-gcg", 10.0, true)]
    {
        let adaptive = set(name, json!({ "monitor": "p-eos", "monitor_threshold": 0.8 })).unwrap();
        let settings = adaptive.settings();
        assert_eq!((&settings["monitor"], &settings["monitor_weight"]), (&json!("p-eos"), &json!(weight)), "{name}");
        let wanted = adaptive.watches().unwrap();
        assert_eq!((wanted.monitor.as_str(), wanted.threshold, wanted.by_gradient), ("p-eos", Some(0.8), by_gradient));
        let script = Script::new("", "");
        let lacks = check(&adaptive.needs(), &script, |_| true, name).unwrap_err();
        assert!(lacks.contains(Ability::Monitor.name()) && lacks.contains("--model"), "{lacks}");
        assert_eq!(script.queries(), 0);
    }
    let inner = set("adv-prefix-optimised", json!({ "pal": { "monitor": "p-eos" } })).unwrap();
    assert!(inner.watches().is_some() && inner.needs().abilities.contains(&Ability::Monitor));
}

#[test]
fn a_weight_without_a_monitor_one_below_zero_and_an_unknown_key_are_refused_by_name() {
    for (keys, part) in [
        (json!({ "monitor_weight": 3 }), "say monitor=NAME"),
        (json!({ "monitor_threshold": 0.5 }), "say monitor=NAME"),
        (json!({ "monitor": "p-eos", "monitor_weight": -1 }), "monitor_weight = -1"),
        (json!({ "monitor": 3 }), "invalid type"),
        (json!({ "monitors": "p-eos" }), "monitors"),
    ] {
        for name in ["tap", "pair", "pal", "gcg"] {
            let error = set(name, keys.clone()).err().unwrap();
            assert!(error.starts_with(name) && error.contains(part), "{error}");
        }
    }
}
