//! Clients that go away, wait, or come in crowds.

use crate::{Server, chat, rest, wire, with};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// A request for a long answer, sent and not waited for.
fn begun(server: &Server, stream: bool) -> TcpStream {
    let body =
        with(chat("a long one"), &json!({"stream": stream, "mosa": {"gen_length": 200, "steps": 200}})).to_string();
    let mut connection = TcpStream::connect(server.addr).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length:";
    connection.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    connection
}

#[test]
fn who_goes_away_frees_the_row_and_the_place() {
    let server = Server::start(|settings| settings.running = 2);
    for stream in [false, true] {
        let crowd: Vec<TcpStream> = (0..6).map(|_| begun(&server, stream)).collect();
        Server::until("two run and four wait", || server.metric("mosa_running") + server.metric("mosa_waiting") >= 5.0);
        let before = server.metric("mosa_cancelled_total");
        drop(crowd);
        Server::until("nothing is left", || server.metric("mosa_running") + server.metric("mosa_waiting") == 0.0);
        assert!(server.metric("mosa_cancelled_total") > before);
    }
    assert_eq!(server.said(&chat("the sea")), server.alone("the sea"));
}

#[test]
fn who_comes_when_the_queue_is_full_is_told_to_come_again() {
    let server = Server::start(|settings| (settings.running, settings.waiting) = (1, 1));
    let (status, answer) = server.post("/v1/chat/completions", &with(chat("x"), &json!({"n": 3})));
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("queue_full")));
    let crowd: Vec<TcpStream> = (0..2).map(|_| begun(&server, false)).collect();
    Server::until("one runs and one waits", || server.metric("mosa_running") + server.metric("mosa_waiting") >= 2.0);
    let (status, answer) = server.post("/v1/chat/completions", &chat("x"));
    assert_eq!((status, &answer["error"]["type"]), (429, &json!("rate_limit_error")));
    drop(crowd);
    Server::until("there is room again", || server.post("/v1/chat/completions", &chat("x")).0 == 200);
}

#[test]
fn an_answer_that_takes_too_long_says_so_and_leaves_nothing_behind() {
    let server = Server::start(|settings| settings.timeout = Duration::from_millis(5));
    let long = with(chat("x"), &json!({"mosa": {"gen_length": 200, "steps": 200}}));
    let (status, answer) = server.post("/v1/chat/completions", &long);
    assert_eq!((status, &answer["error"]["code"]), (504, &json!("timeout")));
    let tail =
        json!({"prompt": "w ".repeat(100), "echo": true, "logprobs": 1, "max_tokens": 1, "mosa": {"score_tail": 90}});
    let (status, answer) = server.post("/v1/completions", &tail);
    assert_eq!((status, &answer["error"]["code"]), (504, &json!("timeout")));
    Server::until("nothing is left", || server.metric("mosa_running") + server.metric("mosa_waiting") == 0.0);
}

#[test]
fn who_reads_slowly_holds_up_nobody_and_gets_the_whole_answer() {
    let server = Server::start(|_| {});
    let body =
        with(chat("the sea"), &json!({"stream": true, "diffusing": true, "mosa": {"gen_length": 200, "steps": 200}}));
    let body = body.to_string();
    let mut slow = TcpStream::connect(server.addr).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length:";
    slow.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(server.said(&chat("the sea")), server.alone("the sea"));
    }
    thread::sleep(Duration::from_millis(300));
    let mut all = String::new();
    slow.read_to_string(&mut all).unwrap();
    assert!(all.contains("\"finish_reason\":\"") && all.contains("[DONE]"));
}

#[test]
fn hundreds_of_idle_connections_are_in_nobodys_way() {
    let server = Server::start(|_| {});
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(server.addr).unwrap()).collect();
    Server::until("they are all there", || server.metric("mosa_connections") >= 300.0);
    assert_eq!(server.said(&chat("the sea")), server.alone("the sea"));
    drop(idle);
    Server::until("they are gone", || server.metric("mosa_connections") < 10.0);
}

#[test]
fn a_stop_lets_answers_under_way_end_and_takes_no_more() {
    let server = Server::start(|_| {});
    let (addr, stop) = (server.addr, server.stop.clone());
    let expected = server.said(&with(chat("the sea"), &json!({"mosa": {"gen_length": 200, "steps": 200}})));
    let asked = thread::scope(|scope| {
        let asked =
            scope.spawn(|| server.said(&with(chat("the sea"), &json!({"mosa": {"gen_length": 200, "steps": 200}}))));
        Server::until("it runs", || server.metric("mosa_running") >= 1.0 || asked.is_finished());
        stop.ask();
        asked.join().unwrap()
    });
    assert_eq!(asked, expected);
    Server::until("nobody listens", || TcpStream::connect(addr).is_err());
}

#[test]
fn who_takes_nothing_of_their_answers_is_cut_off() {
    let server = Server::start(|settings| settings.timeout = Duration::from_millis(500));
    let mut stream = TcpStream::connect(server.addr).unwrap();
    Server::until("it is there", || server.metric("mosa_connections") >= 2.0);
    stream.set_nonblocking(true).unwrap();
    // More than both sides keep for who does not read, a page each.
    let sent = (0..2000).take_while(|_| stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_ok()).count();
    assert!(sent > 400, "{sent}");
    Server::until("it is gone", || server.metric("mosa_connections") <= 1.0);
    stream.set_nonblocking(false).unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(told.windows(12).filter(|part| part == b"HTTP/1.1 200").count() < sent, "all of it was sent");
}

#[test]
fn a_body_or_a_head_that_does_not_go_on_ends_its_connection_and_nothing_else() {
    let server = Server::start(|settings| {
        (settings.head, settings.body) = (Duration::from_millis(400), Duration::from_millis(400));
    });
    let bytes = wire("", &chat("the sea").to_string());
    let half = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let (body, head, silent) = (half(&bytes[..bytes.len() - 9]), half(&bytes[..30]), half(b""));
    drop(half(&bytes[..bytes.len() - 9]));
    assert_eq!(server.said(&chat("the sea")), server.alone("the sea"));
    let told = rest(body);
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("slow_request"), "{told}");
    assert_eq!([rest(head), rest(silent)], ["", ""]);
    Server::until("they are gone", || server.metric("mosa_connections") <= 1.0);
    assert_eq!(server.metric("mosa_running") + server.metric("mosa_waiting"), 0.0);
}
