//! HTTP as others speak it.

use crate::{Server, chat, rest, wire, with};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const CLOSE: &str = "Connection: close\r\n";

/// The body of a response.
fn body(told: &str) -> Value {
    serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{told}"))
}

#[test]
fn requests_sent_at_once_are_answered_one_after_another() {
    let server = Server::start(|_| {});
    let asked: Vec<String> = (1..4).map(|n| with(chat("the sea"), &json!({"max_tokens": 4 * n})).to_string()).collect();
    let alone: Vec<Value> =
        asked.iter().map(|asked| body(&server.raw(&wire(CLOSE, asked)))["choices"].clone()).collect();
    let all: Vec<u8> =
        asked.iter().enumerate().flat_map(|(n, asked)| wire(if n == 2 { CLOSE } else { "" }, asked)).collect();
    let told = server.raw(&all);
    let told: Vec<Value> = told.split("HTTP/1.1 200").skip(1).map(|one| body(one)["choices"].clone()).collect();
    assert_eq!(told, alone);
}

#[test]
fn old_clients_are_answered_whole_and_without_chunks() {
    let server = Server::start(|_| {});
    let old = |body: &Value| {
        let bytes = wire("", &body.to_string());
        server.raw(String::from_utf8(bytes).unwrap().replace("HTTP/1.1", "HTTP/1.0").as_bytes())
    };
    let told = old(&chat("the sea"));
    assert!(told.starts_with("HTTP/1.0 200"), "{told}");
    assert_eq!(body(&told)["choices"][0]["message"]["content"], server.alone("the sea"));
    let told = old(&with(chat("the sea"), &json!({"stream": true})));
    assert!(told.ends_with("data: [DONE]\n\n") && !told.to_lowercase().contains("chunked"), "{told}");
}

#[test]
fn head_has_no_body_and_a_method_that_is_not_taken_is_told_which_ones_are() {
    let server = Server::start(|_| {});
    let ask = |line: &str| server.raw(format!("{line} HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n").as_bytes()).to_lowercase();
    let told = ask("HEAD /");
    assert!(
        told.starts_with("http/1.1 200") && told.ends_with("\r\n\r\n") && told.contains("content-length: "),
        "{told}"
    );
    let told = ask("OPTIONS /v1/chat/completions");
    assert!(told.starts_with("http/1.1 405") && told.contains("allow: post"), "{told}");
    assert!(!told.contains("access-control"), "no page of another origin may ask: {told}");
}

#[test]
fn who_asks_before_they_send_is_told_to_go_on_unless_it_is_too_much() {
    let server = Server::start(|settings| settings.max_body = 1000);
    let asked = chat("the sea").to_string();
    let bytes = wire(&format!("{CLOSE}Expect: 100-continue\r\n"), &asked);
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.write_all(&bytes[..bytes.len() - asked.len()]).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    stream.write_all(asked.as_bytes()).unwrap();
    assert!(rest(stream).contains("HTTP/1.1 200"));
    let large = wire("Expect: 100-continue\r\n", &" ".repeat(2000));
    assert!(server.raw(&large[..large.len() - 2000]).starts_with("HTTP/1.1 413"));
}
