use crate::server::{Act, Server};
use mosa_attack::{Generate, Generation, Helper, Said, Talk, Target, Unanswered};
use mosa_client::{Broken, Endpoint, EndpointSettings};
use mosa_core::Interrupt;
use mosa_records::{FILTERED, REASONING};
use mosa_target::{InProcess, Remote, Roles};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A reply whose message and end are these.
fn reply(message: &Value, finish: &str) -> Act {
    Act::Body(json!({"choices": [{"message": message, "finish_reason": finish}]}).to_string())
}

fn answered(message: Value, finish: &'static str) -> Generation {
    let server = Server::start(move |_, _| reply(&message, finish));
    let target = Remote::new(server.endpoint(), 99, Interrupt::new());
    target.generate(&[(0, Generate::to("question"))]).remove(0).unwrap()
}

fn helped(message: Value, finish: &'static str) -> Said {
    let server = Server::start(move |_, _| reply(&message, finish));
    let mut roles = Roles::new(Interrupt::new());
    roles.add_endpoint("*", server.endpoint());
    roles.reply("tap/judge", 0, &Talk::new("rate", "this")).unwrap()
}

#[test]
fn an_answer_is_what_was_said_and_its_end_says_why_nothing_was() {
    let known = [
        (json!({"content": "words"}), "stop", "words", "stop"),
        (json!({"content": "wor"}), "length", "wor", "length"),
        (json!({"content": "<think>hm</think>words"}), "stop", "words", "stop"),
        (json!({"content": "words", "reasoning_content": "hm"}), "stop", "words", "stop"),
        (json!({"content": "wor"}), FILTERED, "wor", FILTERED),
        (json!({"content": null, "refusal": "no , i will not"}), "stop", "no , i will not", "refusal"),
        (json!({"content": ""}), "stop", "", "stop"),
        (json!({"content": null, "reasoning_content": "hm"}), "length", "", "length"),
        (json!({"content": null, "reasoning": "hm"}), "stop", "", REASONING),
        (json!({"content": "<think>hm"}), "stop", "", REASONING),
        (json!({"content": null}), FILTERED, "", FILTERED),
        (json!({"content": null}), "tool_calls", "", "tool_calls"),
    ];
    for (message, finish, text, end) in known {
        let shown = message.to_string();
        let answer = answered(message, finish);
        assert_eq!((answer.text(), answer.finish.as_str()), (text, end), "{shown} {finish}");
        assert_eq!(answer.unsaid().is_some(), text.is_empty() && end != "stop", "{shown} {finish}");
    }
    let thought = answered(json!({"content": "words", "reasoning_content": "hm"}), "stop");
    assert_eq!((thought.reasoning.as_str(), thought.texts.full.as_str()), ("hm", "words"));
}

#[test]
fn a_target_that_breaks_off_for_an_error_has_no_answer() {
    let server = Server::start(|_, _| reply(&json!({"content": "wor"}), "error"));
    let target = Remote::new(server.endpoint(), 99, Interrupt::new());
    assert!(matches!(target.generate(&[(0, Generate::to("question"))]).remove(0), Err(Unanswered::Failed(_))));
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_helper_hands_on_what_was_said_what_was_thought_and_whether_it_is_whole() {
    assert_eq!(helped(json!({"content": "[[1]]"}), "stop"), Said::Text("[[1]]".into()));
    let thought = helped(json!({"content": "<think>[[1]]</think>[[10]]"}), "stop");
    assert_eq!(thought.text(), Some("[[10]]"));
    let cut = helped(json!({"content": "[[1]] would be too"}), "length");
    assert_eq!((cut.text(), cut.beginning()), (None, Some("[[1]] would be too")));
    let Said::Spoken(unclosed) = helped(json!({"content": "<think>[[1]]"}), "length") else {
        panic!("it is not whole")
    };
    assert_eq!((unclosed.broken, unclosed.reasoning.as_str()), (Some(Broken::Unclosed), "[[1]]"));
    assert!(helped(json!({"content": null, "refusal": "no"}), "stop").declined());
    assert!(helped(json!({"content": ""}), FILTERED).declined());
}

#[test]
fn a_stop_ends_a_request_to_a_target_and_to_a_helper_and_begins_no_other() {
    let server = Server::start(|_, _| Act::Wait(Duration::from_secs(20)));
    let stop = Interrupt::new();
    let settings = EndpointSettings { timeout_seconds: 30.0, ..server.settings() };
    let endpoint = Arc::new(Endpoint::new(settings).unwrap().stopped_by(stop.clone()));
    let target = Remote::new(Arc::clone(&endpoint), 99, stop.clone());
    let mut roles = Roles::new(stop.clone());
    roles.add_endpoint("*", endpoint);
    let talk = Talk::new("rate", "this");
    let asked: Vec<(u64, Generate)> = (0..3).map(|i| (i, Generate::to("question"))).collect();
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| target.generate(&asked));
        let said = scope.spawn(|| roles.reply("tap/judge", 0, &talk));
        while server.requests() < 4 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let start = Instant::now();
        stop.ask();
        assert!(answers.join().unwrap().iter().all(|a| *a == Err(Unanswered::Interrupted)));
        assert_eq!(said.join().unwrap(), Err(Unanswered::Interrupted));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    });
    assert_eq!(target.generate(&asked).remove(0), Err(Unanswered::Interrupted));
    assert_eq!(roles.reply("tap/judge", 0, &talk), Err(Unanswered::Interrupted));
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_model_in_this_process_may_be_a_helper_whatever_ends_its_canvas() {
    let server = Server::saying("[[10]]");
    let model = Remote::new(server.endpoint(), 99, Interrupt::new());
    let helper = InProcess { model: &model, longest: 8 };
    assert_eq!(helper.reply("tap/judge", 0, &Talk::new("rate", "this")), Ok(Said::Text("[[10]]".into())));
}
