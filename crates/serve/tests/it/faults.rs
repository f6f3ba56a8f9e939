//! What is not honoured is refused by its name.

use crate::{Server, chat, rest, with};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The field an error is about.
fn refused(server: &Server, path: &str, body: &Value) -> String {
    let (status, answer) = server.post(path, body);
    assert_eq!(status, 400, "{body}: {answer}");
    let error = &answer["error"];
    assert_eq!(error["type"], "invalid_request_error");
    assert!(!error["message"].as_str().unwrap().is_empty());
    error["param"].as_str().unwrap_or("-").to_owned()
}

#[test]
fn every_field_that_is_not_honoured_is_named() {
    let server = Server::start(|_| {});
    for (more, param) in [
        (json!({"max_tokns": 4}), "max_tokns"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"temperature": 9}), "temperature"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"presence_penalty": 0.5}), "presence_penalty"),
        (json!({"logit_bias": {"5": 1}}), "logit_bias"),
        (json!({"tools": [{}]}), "tools"),
        (json!({"top_logprobs": 3, "logprobs": true}), "top_logprobs"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (json!({"n": 0}), "n"),
        (json!({"stream_options": {"usage": true}}), "stream_options.usage"),
        (json!({"diffusing": true}), "diffusing"),
        (json!({"mosa": {"step": 3}}), "mosa.step"),
        (json!({"mosa": {"remasking": "best"}}), "mosa"),
        (json!({"mosa": {"defences": ["wall"]}}), "mosa.defences"),
        (json!({"mosa": {"prefill": [{"at": 0, "text": "x"}]}}), "mosa.prefill"),
        (json!({"mosa": 3}), "mosa"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages[0]"),
        (json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), "messages[0]"),
    ] {
        assert_eq!(refused(&server, "/v1/chat/completions", &with(chat("x"), &more)), param, "{more}");
    }
    assert_eq!(refused(&server, "/v1/chat/completions", &json!({})), "messages");
    assert_eq!(refused(&server, "/v1/completions", &json!({"prompt": []})), "prompt");
    assert_eq!(refused(&server, "/v1/completions", &json!({"prompt": "x", "suffix": "y"})), "suffix");
    let (status, answer) = server.post("/v1/chat/completions", &with(chat("x"), &json!({"model": "gpt"})));
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("model_not_found")));
    let (status, answer) = server.post("/v1/chat/completions", &with(chat("x"), &json!({"max_tokens": 100_000})));
    assert_eq!(status, 400, "{answer}");
    let (status, answer) = server.post("/v1/chat/completions", &chat(&"word ".repeat(500)));
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("context_length_exceeded")), "{answer}");
    assert_eq!(server.post("/v1/completions", &json!({"prompt": [999_999]})).0, 400, "an id outside the vocabulary");
}

#[test]
fn harmless_fields_of_known_clients_are_taken() {
    let server = Server::start(|_| {});
    let more = json!({
        "frequency_penalty": 0, "presence_penalty": 0.0, "top_p": 1.0, "n": 1, "stream": false, "user": "me", "stop": [],
        "logit_bias": null, "seed": 1234, "max_completion_tokens": 12, "response_format": {"type": "text"}, "store": false,
    });
    assert_eq!(server.post("/v1/chat/completions", &with(chat("x"), &more)).0, 200);
}

/// The beginning of what is said to whatever bytes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

fn post(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn bytes_that_are_no_request_get_one_clear_answer_each() {
    let server = Server::start(|settings| settings.max_body = 10_000);
    let json = "application/json";
    for (bytes, status) in [
        (post(json, b"{\"messages\": [\xff\xfe]}"), "400"),
        (post(json, br#"{"messages": [{"role": "user", "content": "\ud800"}]}"#), "400"),
        (post(json, b"{\"messages\": "), "400"),
        (post(json, b"[1]"), "400"),
        (post(json, "[".repeat(9_000).as_bytes()), "400"),
        (post("text/plain", b"{}"), "415"),
        (post(json, &[b' '; 10_001]), "413"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n".to_vec(), "413"),
        (b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "405"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "404"),
        (b"\x16\x03\x01 what\r\n\r\n".to_vec(), "400"),
    ] {
        let answer = raw(&server, &bytes);
        let first = answer.lines().next().unwrap_or_default().to_owned();
        assert!(first.contains(status), "{status}: {answer:?} to {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(90)]));
    }
    server.said(&chat("still there"));
}

#[test]
fn a_body_without_a_length_ends_at_the_limit() {
    let server = Server::start(|settings| settings.max_body = 1000);
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..100 {
        stream.write_all(format!("64\r\n{}\r\n", " ".repeat(100)).as_bytes()).unwrap();
    }
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("request_too_large"), "{answer}");
    assert_eq!(server.metric("mosa_responses_total{route=\"/v1/chat/completions\",status=\"413\"}"), 1.0);
}

#[test]
fn a_key_is_asked_for_everywhere_but_where_machines_look_in() {
    let server = Server::start(|settings| settings.api_key = Some("secret".into()));
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.get("/v1/models").0, 401);
    assert_eq!(server.post("/v1/chat/completions", &chat("x")).1["error"]["type"], "authentication_error");
    for key in ["Bearer secreT", "Bearer secret2", "secret", "Bearer "] {
        assert_eq!(server.post_with("/v1/chat/completions", &chat("x"), &[("Authorization", key)]).0, 401, "{key}");
    }
    assert_eq!(server.post_with("/v1/chat/completions", &chat("x"), &[("Authorization", "Bearer secret")]).0, 200);
}

#[test]
fn who_sends_far_too_much_and_then_reads_learns_why() {
    let server = Server::start(|settings| settings.max_body = 1000);
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let (bytes, part) = (256 << 20, vec![b' '; 1 << 20]);
    let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length:";
    stream.write_all(format!("{head} {bytes}\r\n\r\n").as_bytes()).unwrap();
    for _ in 0..bytes / part.len() {
        stream.write_all(&part).unwrap();
    }
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.to_lowercase().contains("connection: close"), "{answer}");
    server.said(&chat("still there"));
}

#[test]
fn bytes_that_are_no_text_are_told_where_they_stand() {
    let server = Server::start(|_| {});
    let answer =
        raw(&server, &post("application/json", b"{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}"));
    assert!(answer.contains("the body is no UTF-8 behind byte 43"), "{answer}");
}

#[test]
fn whatever_is_asked_for_metrics_know_a_few_routes() {
    let server = Server::start(|settings| settings.api_key = Some("secret".into()));
    assert_eq!([server.get("/v1/").0, server.get("/v1").0], [200, 200], "whether anybody is there is no secret");
    for path in ["/v1/x", "/v1/models/tiny", "/x", "/x/y?z=1", "/V1/models"] {
        assert_eq!(server.get(path).0, 401, "{path} without a key");
    }
    let counted = |route: &str, status: u16| {
        server.metric(&format!("mosa_responses_total{{route=\"{route}\",status=\"{status}\"}}"))
    };
    assert_eq!([counted("/v1", 200), counted("/v1/models", 401), counted("other", 401)], [2.0, 1.0, 4.0]);
    assert!(!server.get("/metrics").1.contains("route=\"/\""));
}
