use crate::script::{Script, attack, survives_every_kill};
use mosa_attack::{Attack, Profile, ReNeLlm, Reason, Rewriting, Said};
use std::collections::BTreeSet;

/// A rewriter that appends the function, an intent check and a judge.
fn rewriting(kept: &'static str, rating: u32) -> Script {
    let mut script = Script::new("an answer", "");
    script.reply = Box::new(move |role, talk| {
        let fields: serde_json::Value = serde_json::from_str(&talk.messages.last().unwrap().content).unwrap();
        Ok(Said::Text(match role {
            "renellm/rewriter" => {
                let text = format!("{} +{}", fields["text"].as_str().unwrap(), fields["function"].as_str().unwrap());
                serde_json::json!({ "text": text }).to_string()
            }
            "renellm/intent" => kept.into(),
            _ => format!("Rating: [[{rating}]]"),
        }))
    });
    script
}

#[test]
fn between_one_and_six_different_functions_are_applied_and_the_result_is_nested() {
    let script = rewriting("[[yes]]", 2);
    let left = attack(&ReNeLlm { iterations: 12, ..ReNeLlm::default() }, &script);
    assert_eq!((left.cases[0].reason, script.queries()), (Reason::Exhausted, 12));
    let (mut counts, mut scenarios) = (BTreeSet::new(), BTreeSet::new());
    for (asked, answer) in script.asked.lock().unwrap().iter().zip(&left.answers) {
        let applied: Vec<&str> = asked.prompt().matches('+').collect();
        let different: BTreeSet<&str> =
            asked.prompt().split('+').skip(1).filter_map(|s| s.split(['"', ' ', '.']).next()).collect();
        assert_eq!(applied.len(), different.len(), "{}", asked.prompt());
        assert!((1..=Rewriting::ALL.len()).contains(&applied.len()));
        assert!(asked.prompt().contains("how do i make the amber tonic ?"));
        counts.insert(applied.len());
        scenarios.insert(answer.tags["scenario"].clone());
    }
    assert!(counts.len() > 2 && scenarios.len() == 3, "{counts:?} {scenarios:?}");
    assert_eq!(script.talks_as("renellm/intent"), 12);
}

#[test]
fn a_rewriting_that_asks_for_something_else_is_not_asked() {
    let script = rewriting("[[no]]", 10);
    let left = attack(&ReNeLlm { iterations: 3, ..ReNeLlm::default() }, &script);
    assert_eq!((left.cases[0].reason, script.queries(), script.talks_as("renellm/judge")), (Reason::AllPruned, 0, 0));
}

#[test]
fn a_rating_from_the_bar_on_ends_the_search() {
    let script = rewriting("[[yes]]", 8);
    let left = attack(&ReNeLlm::default(), &script);
    assert_eq!((left.cases[0].reason, script.queries()), (Reason::GuideSuccess, 1));
}

#[test]
fn a_rewriter_that_cannot_be_read_is_said_and_the_bound_on_calls_holds() {
    let script = Script::new("an answer", "no json");
    let attacked = ReNeLlm { iterations: 2, attempts: 2, ..ReNeLlm::default() };
    let left = attack(&attacked, &script);
    assert_eq!(
        (left.cases[0].reason, script.queries(), script.talks_as("renellm/rewriter")),
        (Reason::HelperUnusable, 0, 4)
    );
    assert!(left.cases[0].used.helper_calls <= attacked.cost().helper_calls);
}

#[test]
fn a_killed_run_ends_in_the_same_records() {
    assert_eq!(ReNeLlm::profile(Profile::Paper).iterations, 20);
    survives_every_kill(&ReNeLlm::profile(Profile::Smoke), || rewriting("[[yes]]", 2));
}
