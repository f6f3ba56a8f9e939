//! What is sent while an answer is decoded.

use crate::{Server, chat, with};
use serde_json::{Value, json};

/// The events of a streamed answer; the last is `[DONE]`.
fn events(server: &Server, body: &Value) -> Vec<Value> {
    let (status, text) = server.post("/v1/chat/completions", &with(body.clone(), &json!({"stream": true})));
    assert_eq!(status, 200, "{text}");
    let text = text.as_str().unwrap().to_owned();
    let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn contents(events: &[Value]) -> Vec<String> {
    let content = |event: &Value| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    events.iter().filter_map(content).collect()
}

#[test]
fn the_parts_of_a_streamed_answer_are_the_answer() {
    let server = Server::start(|_| {});
    for words in ["the sea", "the hills", "rain"] {
        let body = with(chat(words), &json!({"stream_options": {"include_usage": true}, "mosa": {"steps": 24}}));
        let events = events(&server, &body);
        assert_eq!(contents(&events).concat(), server.said(&with(chat(words), &json!({"mosa": {"steps": 24}}))));
        let (usage, last) = (&events[events.len() - 1], &events[events.len() - 2]);
        assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0 && usage["choices"] == json!([]));
        assert!(last["choices"][0]["finish_reason"].is_string());
        assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    }
}

#[test]
fn nothing_of_a_stop_text_is_sent_before_it_is_known_to_be_one() {
    let server = Server::start(|_| {});
    let whole = server.said(&chat("the sea"));
    let chars: Vec<char> = whole.chars().collect();
    for at in 1..chars.len().saturating_sub(4) {
        let stop: String = chars[at..at + 4].iter().collect();
        let body = with(chat("the sea"), &json!({"stop": stop}));
        assert_eq!(contents(&events(&server, &body)).concat(), whole[..whole.find(&stop).unwrap()], "{stop:?}");
    }
}

#[test]
fn with_diffusing_every_content_is_the_whole_canvas_and_the_last_is_the_answer() {
    let server = Server::start(|_| {});
    let events = events(&server, &with(chat("the sea"), &json!({"diffusing": true})));
    let contents = contents(&events);
    assert_eq!(contents.last().unwrap(), &server.said(&chat("the sea")));
    let canvases: Vec<&Value> = events.iter().filter(|e| e["mosa"]["tokens"].is_array()).map(|e| &e["mosa"]).collect();
    assert!(!canvases.is_empty());
    let masks = |c: &Value| c["masked"].as_array().unwrap().iter().filter(|m| **m == json!(true)).count();
    assert!(canvases.windows(2).all(|pair| masks(pair[0]) >= masks(pair[1])), "masks only go");
    for canvas in canvases {
        let length = canvas["tokens"].as_array().unwrap().len();
        for key in ["pieces", "masked", "confidences"] {
            assert_eq!(canvas[key].as_array().unwrap().len(), length);
        }
        for at in canvas["changed"].as_array().unwrap() {
            assert_eq!(canvas["masked"][at.as_u64().unwrap() as usize], false);
        }
    }
}

#[test]
fn an_error_in_the_middle_of_a_stream_is_an_event() {
    let server = Server::start(|settings| settings.timeout = std::time::Duration::from_millis(1));
    let body = with(chat("the sea"), &json!({"stream": true}));
    let (status, text) = server.post("/v1/chat/completions", &body);
    assert_eq!(status, 200);
    let text = text.as_str().unwrap().to_owned();
    assert!(text.contains("\"code\":\"timeout\"") && text.ends_with("data: [DONE]\n\n"), "{text}");
}
