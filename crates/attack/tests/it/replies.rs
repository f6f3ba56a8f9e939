//! Replies of helpers and targets: what was thought, what was cut off, what was never said.

use crate::script::{Script, attack, attack_in, case};
use mosa_attack::{ATTACKS, Budget, Direct, Generation, Profile, Reason, Said, Tap, attack as named};
use mosa_client::{Broken, Spoken};
use serde_json::{Map, json};

/// Everything that any helper could be asked for, in one text.
const ALL: &str = "[[10]] [[5]] [[YES]] Label: 1_violating {\"improvement\": \"x\", \"prompt\": \"drafted words\", \"suffix\": \"drafted words\", \
                   \"question\": \"drafted words\", \"harmful\": 1.0, \"text\": \"drafted words\"}\n1. drafted words\n2. drafted words";

fn spoken(text: &str, broken: Broken) -> Said {
    Said::of(Spoken { text: text.into(), reasoning: String::new(), broken: Some(broken) })
}

/// What helpers say that cannot be taken for a reply, and how often a target may be asked in spite of it.
fn unusable() -> Vec<Said> {
    vec![
        Said::Text(format!("<think>{ALL}")),
        Said::Text(format!("<thinking>{ALL}")),
        Said::Text(format!("<|channel|>analysis<|message|>{ALL}")),
        spoken("", Broken::OnlyReasoning),
        spoken(ALL, Broken::Unclosed),
        spoken(ALL, Broken::Cut),
    ]
}

#[test]
fn no_attack_is_led_by_a_reply_that_is_not_whole() {
    for name in ATTACKS.iter().map(|row| row.name) {
        let one = named(name, Profile::Smoke, false, &Map::new()).unwrap();
        // Proposals of prefixes are cut to their length anyway.
        let cuts_itself = name.starts_with("adv-prefix");
        for said in unusable() {
            if one.needs().roles.is_empty() || cuts_itself && said.beginning().is_some() {
                continue;
            }
            let mut script = Script::new("echo", "");
            let reply = said.clone();
            script.reply = Box::new(move |_, _| Ok(reply.clone()));
            let left = attack(one.as_ref(), &script);
            assert_ne!(left.cases[0].reason, Reason::GuideSuccess, "{name}: {said:?}");
            let asked = script.asked.lock().unwrap();
            let led = asked.iter().find(|g| g.prompt().contains("drafted words"));
            assert!(led.is_none(), "{name}: {said:?}: {led:?}");
            assert!(left.answers.iter().all(|a| !a.tags.contains_key("guide") || a.tags["guide"] == "0"), "{name}");
        }
    }
}

fn tap() -> Tap {
    Tap { width: 1, branching: 1, depth: 1, ..Tap::default() }
}

/// A tree of one prompt whose helpers think aloud before they reply.
fn thinking() -> Script {
    let mut script = Script::new("echo", "");
    script.reply = Box::new(|role, _| {
        Ok(Said::Text(match role {
            "tap/attacker" => {
                let (draft, prompt) = (
                    json!({"improvement": "x", "prompt": "draft"}),
                    json!({"improvement": "x", "prompt": "kind words"}),
                );
                format!("<think>{draft}</think>\n{prompt}")
            }
            "tap/on-topic" => "[[NO]] at first sight</think>[[YES]]".into(),
            _ => "<reasoning>[[1]]</reasoning>Rating: [[10]]".into(),
        }))
    });
    script
}

#[test]
fn what_a_helper_thinks_aloud_is_not_its_reply() {
    let script = thinking();
    let left = attack(&tap(), &script);
    assert_eq!(left.cases[0].reason, Reason::GuideSuccess);
    let asked: Vec<String> = script.asked.lock().unwrap().iter().map(|g| g.prompt().to_owned()).collect();
    assert_eq!(asked, ["kind words"]);
}

#[test]
fn a_reply_that_is_not_whole_is_asked_for_again_and_one_that_declines_is_not() {
    let talks = |first: Said| {
        let mut script = Script::new("echo", "");
        let asked = std::sync::atomic::AtomicUsize::new(0);
        script.reply = Box::new(move |role, _| match role {
            "tap/attacker" if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => Ok(first.clone()),
            "tap/attacker" => Ok(Said::Text(json!({"improvement": "x", "prompt": "kind words"}).to_string())),
            "tap/on-topic" => Ok(Said::Text("[[YES]]".into())),
            _ => Ok(Said::Text("[[10]]".into())),
        });
        let left = attack(&Tap { attacker_attempts: 2, roots: 1, ..tap() }, &script);
        let again = left.calls.iter().any(|call| call.kind == "tap/attacker" && call.call.ends_with("attacker/2"));
        (again, left.cases[0].reason)
    };
    for said in unusable() {
        assert_eq!(talks(said.clone()), (true, Reason::GuideSuccess), "{said:?}");
    }
    assert!(!talks(Said::Declined("no".into())).0);
}

#[test]
fn journals_of_earlier_versions_are_read_and_new_ones_hold_all_of_a_reply() {
    for (said, written) in [
        (Said::Text("kind words".into()), json!({"text": "kind words"})),
        (Said::Declined("no".into()), json!({"declined": "no"})),
        (
            Said::of(Spoken { text: "kind".into(), reasoning: "hm".into(), broken: None }),
            json!({"spoken": {"text": "kind", "reasoning": "hm"}}),
        ),
        (spoken("ki", Broken::Cut), json!({"spoken": {"text": "ki", "broken": "cut"}})),
    ] {
        assert_eq!(serde_json::to_value(&said).unwrap(), written);
        assert_eq!(serde_json::from_value::<Said>(written).unwrap(), said);
    }
    // A journal that holds thoughts and reply in one text is replayed without asking anybody.
    let dir = tempfile::tempdir().unwrap();
    let whole = attack_in(dir.path(), &tap(), &thinking(), &[case("one")], Budget::default());
    assert!(whole.calls.iter().any(|call| call.reply["text"].as_str().is_some_and(|t| t.contains("</think>"))));
    ["cases.jsonl", "answers.jsonl", "seconds.jsonl"]
        .iter()
        .for_each(|name| std::fs::remove_file(dir.path().join(name)).unwrap());
    let script = Script { dies_after: Some(0), ..thinking() };
    let again = attack_in(dir.path(), &tap(), &script, &[case("one")], Budget::default());
    assert_eq!((again.complete, &again.cases), (true, &whole.cases));
}

fn silent(finish: &str) -> Generation {
    Generation { finish: finish.into(), ..Generation::plain("") }
}

#[test]
fn a_case_says_why_the_target_said_nothing() {
    let mut script = Script::new("", "");
    script.answer = Box::new(|_| Ok(silent("content_filter")));
    let left = attack(&Direct::default(), &script);
    assert!(left.cases[0].error.as_ref().unwrap().contains("filter"), "{:?}", left.cases[0].error);
    assert!(left.answers[0].unsaid().is_some());
    script.answer = Box::new(|_| Ok(silent("stop")));
    assert_eq!(attack(&Direct::default(), &script).cases[0].error, None);
}

#[test]
fn answers_put_together_from_nothing_said_say_nothing() {
    let one = named("speak-easy", Profile::Smoke, false, &Map::new()).unwrap();
    let left = |finish: &'static str| {
        let mut script = Script::new("", "1. a\n2. b\n3. c");
        script.answer = Box::new(move |_| Ok(silent(finish)));
        attack(one.as_ref(), &script)
    };
    let composed = |finish| {
        left(finish)
            .answers
            .iter()
            .filter(|a| a.tags["selected"] == "true")
            .map(|a| a.unsaid().is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!((composed("length"), composed("stop")), (vec![true], vec![false]));
}
