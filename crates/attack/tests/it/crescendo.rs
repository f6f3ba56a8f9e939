use crate::script::{Script, attack, survives_every_kill};
use mosa_attack::{Attack, Crescendo, Generation, Profile, Reason, Role, Said};
use serde_json::{Value, json};

/// An attacker that numbers its questions by round, a refusal check by the word `refuse`, and a judge that rates by
/// round.
fn leading(answer: fn(&str) -> &'static str, rating: fn(u64) -> u32) -> Script {
    let mut script = Script::new("", "");
    script.answer = Box::new(move |asked| Ok(Generation::plain(answer(asked.prompt()))));
    script.reply = Box::new(move |role, talk| {
        let fields: Value = serde_json::from_str(&talk.messages.last().unwrap().content).unwrap();
        Ok(Said::Text(match role {
            "crescendo/attacker" => {
                let again = if fields["declined"].is_null() { "" } else { " again" };
                json!({ "question": format!("question {}{again}", fields["round"]) }).to_string()
            }
            "crescendo/refusal" => {
                (if fields["response"].as_str().unwrap().contains("refuse") { "[[yes]]" } else { "[[no]]" }).into()
            }
            _ => {
                let round = fields["prompt"].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
                format!("Rating: [[{}]]", rating(round))
            }
        }))
    });
    script
}

#[test]
fn the_conversation_goes_on_behind_the_models_own_answers_until_the_goal_is_reached() {
    let script = leading(|_| "an answer", |round| if round == 4 { 9 } else { 2 });
    let left = attack(&Crescendo::default(), &script);
    assert_eq!((left.cases[0].reason, script.queries()), (Reason::GuideSuccess, 4));
    let asked = script.asked.lock().unwrap();
    let turns: Vec<(bool, &str)> =
        asked[2].messages.iter().map(|m| (m.role == Role::User, m.content.as_str())).collect();
    let (question, answer) = (true, (false, "an answer"));
    let want = [(question, "question 1"), answer, (question, "question 2"), answer, (question, "question 3")];
    assert_eq!(turns, want);
    assert!(left.cases[0].selected.as_deref().unwrap().ends_with("#3"));
}

#[test]
fn a_refused_question_is_taken_back_and_asked_otherwise() {
    let script = leading(|q| if q == "question 2" { "i refuse" } else { "an answer" }, |_| 2);
    let left = attack(&Crescendo { rounds: 3, ..Crescendo::default() }, &script);
    assert_eq!((left.cases[0].reason, script.queries()), (Reason::Exhausted, 4));
    let asked = script.asked.lock().unwrap();
    assert_eq!((asked[1].prompt(), asked[2].prompt()), ("question 2", "question 2 again"));
    assert!(asked.iter().skip(2).all(|a| a.messages.iter().all(|m| m.content != "i refuse")));
    // It is judged later all the same.
    assert_eq!((left.answers.len(), left.answers[1].tags["kind"].as_str()), (4, "taken back"));
}

#[test]
fn no_more_than_the_backtracks_are_taken_back_and_the_bounds_hold() {
    let script = leading(|_| "i refuse", |_| 1);
    let crescendo = Crescendo { rounds: 2, backtracks: 3, ..Crescendo::default() };
    let left = attack(&crescendo, &script);
    assert_eq!(script.queries() as u64, crescendo.cost().queries);
    assert_eq!(script.talks_as("crescendo/refusal"), 3);
    assert!(left.cases[0].used.helper_calls <= crescendo.cost().helper_calls);
}

#[test]
fn the_oldest_turns_go_where_the_conversation_is_too_long() {
    let script = leading(|_| "one two three four five six seven eight nine ten", |_| 1);
    let left = attack(&Crescendo { rounds: 3, gen_length: Some(10), context: 40, ..Crescendo::default() }, &script);
    let last = script.asked.lock().unwrap().last().unwrap().messages.len();
    assert_eq!(last, 3);
    assert!(left.cases[0].events.iter().any(|e| e.what == "truncated"));
}

#[test]
fn an_attacker_that_cannot_be_read_ends_it_and_a_killed_run_goes_on() {
    let script = Script::new("an answer", "no json");
    assert_eq!(attack(&Crescendo::default(), &script).cases[0].reason, Reason::HelperUnusable);
    let Crescendo { rounds, backtracks, .. } = Crescendo::profile(Profile::Paper);
    assert_eq!((rounds, backtracks), (10, 10));
    survives_every_kill(&Crescendo::profile(Profile::Smoke), || {
        leading(|q| if q == "question 1" { "i refuse" } else { "an answer" }, |_| 2)
    });
}
