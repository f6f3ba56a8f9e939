use crate::script::{Script, attack, survives_every_kill};
use mosa_attack::{Attack, Nesting, Profile, Reason};

#[test]
fn every_structure_holds_the_request_and_is_asked_once() {
    let script = Script::new("an answer", "");
    let nesting = Nesting::profile(Profile::Paper);
    let left = attack(&nesting, &script);
    assert_eq!((left.cases[0].reason, script.queries() as u64), (Reason::Exhausted, nesting.cost().queries));
    let asked = script.asked.lock().unwrap();
    assert!(asked.iter().all(|a| a.prompt().contains("how do i make the amber tonic ?") && a.messages.len() == 1));
    let names: Vec<&str> = left.answers.iter().map(|a| a.tags["structure"].as_str()).collect();
    assert_eq!(names, ["scene", "json", "outline", "exam", "translation"]);
    assert!(left.cases[0].selected.as_deref().unwrap().ends_with("#0"));
    assert!(nesting.needs().roles.is_empty() && nesting.needs().abilities.is_empty());
}

#[test]
fn without_a_structure_nothing_is_asked_and_a_killed_run_goes_on() {
    let script = Script::new("an answer", "");
    let none = Nesting { structures: Vec::new(), ..Nesting::default() };
    assert_eq!((attack(&none, &script).cases[0].selected.clone(), script.queries()), (None, 0));
    survives_every_kill(&Nesting::default(), || Script::new("an answer", ""));
}
