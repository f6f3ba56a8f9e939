use crate::cases;
use crate::server::{Act, Server};
use mosa_client::{Budget, BudgetKind, Chat, Endpoint, EndpointError, EndpointSettings, Message, Price, Role};
use mosa_judge::{Settings, Status, judge, judge_all};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

fn chat(max_tokens: u32) -> Chat {
    Chat { max_tokens, ..Chat::new(vec![Message::new(Role::User, "x".repeat(68))]) }
}

fn endpoint(server: &Server, budget: Budget) -> Endpoint {
    let price = Price { prompt_per_million: 1.0, completion_per_million: 2.0 };
    Endpoint::new(EndpointSettings { budget, price, ..server.settings() }).unwrap()
}

/// What 16 threads with 10 calls each are told; every call reserves 100 + 100 tokens.
fn storm(endpoint: &Endpoint) -> Vec<Result<(), EndpointError>> {
    let calls = || (0..10).map(|_| endpoint.chat(&chat(100)).map(drop)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(calls)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    })
}

/// A server whose replies count 100 + `completion` tokens.
fn counting(completion: u32) -> Server {
    let usage = format!(r#""usage": {{"prompt_tokens": 100, "completion_tokens": {completion}}}"#);
    Server::start(move |_, _| {
        std::thread::sleep(Duration::from_millis(3));
        Act::Body(format!(r#"{{"choices": [{{"message": {{"content": "fine"}}}}], {usage}}}"#))
    })
}

#[test]
fn no_budget_is_overrun_by_sixteen_threads() {
    let kinds = [
        (Budget { requests: Some(25), ..Budget::default() }, BudgetKind::Requests),
        (Budget { tokens: Some(5000), ..Budget::default() }, BudgetKind::Tokens),
        (Budget { money: Some(0.0075), ..Budget::default() }, BudgetKind::Money),
    ];
    for (budget, wanted) in kinds {
        let server = counting(100);
        let endpoint = endpoint(&server, budget);
        let results = storm(&endpoint);
        let done = results.iter().filter(|r| r.is_ok()).count();
        let usage = endpoint.usage();
        assert_eq!((done, server.requests()), (25, 25), "{wanted}");
        assert_eq!(usage.refused_by_budget, 135);
        assert_eq!(usage.prompt_tokens + usage.completion_tokens, 5000);
        assert!((usage.money - 0.0075).abs() < 1e-12, "{}", usage.money);
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, EndpointError::Budget { kind, .. } if kind == wanted), "{error}");
            assert!(error.to_string().contains("raise it"), "{error}");
        }
    }
}

#[test]
fn what_a_call_did_not_use_is_there_for_the_next() {
    let server = counting(0);
    let endpoint = endpoint(&server, Budget { tokens: Some(5000), ..Budget::default() });
    let done = storm(&endpoint).iter().filter(|r| r.is_ok()).count();
    // 49 calls leave 100 tokens, and a call may need 200.
    assert_eq!((done, endpoint.usage().prompt_tokens), (49, 4900));
}

#[test]
fn failed_requests_count_unless_they_cannot_have_been_billed() {
    let failures: [(fn() -> Act, u64); 3] =
        [(|| Act::Status(500, "", ""), 0), (|| Act::HangUp, 800), (|| Act::Cut, 800)];
    for (failure, presumed) in failures {
        let server = Server::start(move |_, _| failure());
        let endpoint = endpoint(&server, Budget::default());
        assert!(endpoint.chat(&chat(100)).is_err());
        let usage = endpoint.usage();
        assert_eq!((usage.requests, usage.replies, usage.transport_retries), (4, 0, 3));
        assert_eq!((usage.presumed_tokens, usage.prompt_tokens + usage.completion_tokens), (presumed, presumed));
    }
}

#[test]
fn a_reply_without_counts_is_counted_at_its_bound() {
    let server = Server::start(|_, _| Act::Body(r#"{"choices": [{"message": {"content": "fine"}}]}"#.into()));
    let endpoint = endpoint(&server, Budget { tokens: Some(399), ..Budget::default() });
    assert!(endpoint.chat(&chat(100)).is_ok());
    assert_eq!(endpoint.usage().presumed_tokens, 200);
    assert!(matches!(endpoint.chat(&chat(100)), Err(EndpointError::Budget { .. })));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_budget_ends_retries_too() {
    let server = Server::start(|_, _| Act::HangUp);
    let endpoint = endpoint(&server, Budget { requests: Some(2), ..Budget::default() });
    assert!(matches!(endpoint.chat(&chat(1)), Err(EndpointError::Budget { kind: BudgetKind::Requests, .. })));
    assert_eq!(server.requests(), 2);
}

#[test]
fn cases_beyond_the_budget_are_unassessed_and_say_why() {
    let server = Server::saying("#score: 2");
    let budget = Budget { requests: Some(7), ..Budget::default() };
    let settings = Settings { endpoint: Some(Arc::new(endpoint(&server, budget))), ..Settings::default() };
    let rubric = judge("rubric", &settings).unwrap();
    let verdicts = judge_all(&[rubric.as_ref()], &cases(40), 16, |_| ControlFlow::Continue(())).concat();
    let (assessed, rest): (Vec<_>, Vec<_>) = verdicts.iter().partition(|v| v.is_assessed());
    assert_eq!((assessed.len(), rest.len(), server.requests()), (7, 33, 7));
    for verdict in rest {
        assert!(matches!(&verdict.status, Status::Failed(why) if why.contains("budget of 7 requests")));
        assert_eq!((verdict.success, verdict.value), (None, None));
    }
}
