use crate::server::{Act, Server};
use mosa_client::{Chat, Endpoint, EndpointError, EndpointSettings, Message, Role};
use mosa_core::Interrupt;
use std::time::{Duration, Instant};

fn chat() -> Chat {
    Chat { max_tokens: 50, ..Chat::new(vec![Message::new(Role::User, "what is the amber tonic")]) }
}

/// Asks, and asks to stop a little later; how the last of the requests ends, and how long after the stop.
fn stopped(settings: EndpointSettings, requests: usize) -> (Endpoint, Duration) {
    let stop = Interrupt::new();
    let endpoint = Endpoint::new(settings).unwrap().stopped_by(stop.clone());
    let mut asked = Instant::now();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..requests).map(|_| scope.spawn(|| endpoint.chat(&chat()))).collect();
        std::thread::sleep(Duration::from_millis(300));
        asked = Instant::now();
        stop.ask();
        let ends: Vec<_> = waiting.into_iter().map(|w| w.join().unwrap()).collect();
        assert!(ends.contains(&Err(EndpointError::Interrupted)), "{ends:?}");
        assert!(ends.iter().all(|end| end.is_ok() || *end == Err(EndpointError::Interrupted)), "{ends:?}");
    });
    (endpoint, asked.elapsed())
}

#[test]
fn every_wait_ends_within_a_second_of_a_stop() {
    let long = Duration::from_secs(20);
    let hangs = Server::start(move |_, _| Act::Wait(long));
    let fails = Server::start(|_, _| Act::Status(500, "", ""));
    let asks_to_wait = Server::start(|_, _| Act::Status(429, "retry-after: 20\r\n", ""));
    let replies = Server::saying("fine");
    let patient = |server: &Server| EndpointSettings {
        timeout_seconds: 30.0,
        backoff_seconds: 20.0,
        max_wait_seconds: 30.0,
        ..server.settings()
    };
    let in_turn = EndpointSettings { max_concurrency: 1, ..patient(&hangs) };
    let slow = EndpointSettings { requests_per_minute: Some(2.0), ..patient(&replies) };
    let mut scarce = patient(&hangs);
    scarce.budget.tokens = Some(150);
    let waits = [
        ("a slow reply", patient(&hangs), 1),
        ("a backoff", patient(&fails), 1),
        ("a wait that was asked for", patient(&asks_to_wait), 1),
        ("a slot", in_turn, 2),
        ("the pace", slow, 3),
        ("the budget of calls under way", scarce, 2),
    ];
    for (what, settings, requests) in waits {
        let (_, took) = stopped(settings, requests);
        assert!(took < Duration::from_secs(1), "{what}: {took:?}");
    }
}

#[test]
fn a_connection_that_is_never_made_is_given_up_as_well() {
    // Nobody accepts; once the queue of the socket is full, connecting hangs.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    for _ in 0..200 {
        match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
            Ok(stream) => queue.push(stream),
            Err(_) => break,
        }
    }
    let settings = EndpointSettings {
        base: format!("http://{address}/v1"),
        model: "m".into(),
        connect_timeout_seconds: 30.0,
        timeout_seconds: 30.0,
        ..EndpointSettings::default()
    };
    let (_, took) = stopped(settings, 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_reply_that_was_not_waited_for_counts_as_billed_and_nothing_is_sent_after_a_stop() {
    let server = Server::start(|_, _| Act::Wait(Duration::from_secs(20)));
    let (endpoint, _) = stopped(EndpointSettings { timeout_seconds: 30.0, ..server.settings() }, 1);
    let usage = endpoint.usage();
    assert!(usage.requests == 1 && usage.presumed_tokens >= 50, "{usage:?}");
    assert_eq!(endpoint.chat(&chat()), Err(EndpointError::Interrupted));
    assert_eq!((server.requests(), endpoint.usage().requests), (1, 1));
}
