use crate::server::{Act, Server, completion};
use mosa_client::{Chat, Endpoint, EndpointError, EndpointSettings, Message, Reply, Role};
use std::time::{Duration, Instant};

fn ask(settings: EndpointSettings) -> Result<Reply, EndpointError> {
    Endpoint::new(settings).unwrap().chat(&chat())
}

fn chat() -> Chat {
    Chat { max_tokens: 50, ..Chat::new(vec![Message::new(Role::User, "what is the amber tonic")]) }
}

/// A server that acts once and then replies well.
fn once(act: fn() -> Act) -> Server {
    Server::start(move |n, _| if n == 0 { act() } else { Act::Say("fine".into()) })
}

#[test]
fn a_request_has_the_model_the_messages_and_the_settings() {
    let server = Server::saying("fine");
    let settings = EndpointSettings { max_tokens_key: "max_completion_tokens".into(), ..server.settings() };
    let sent = Chat { temperature: 0.5, seed: Some(7), top_p: Some(0.9), stop: vec!["end".into()], ..chat() };
    let endpoint = Endpoint::new(settings).unwrap();
    let reply = endpoint.chat(&sent).unwrap();
    assert_eq!((reply.spoken.text.as_str(), reply.finish_reason.as_deref()), ("fine", Some("stop")));
    assert_eq!(reply.model.as_deref(), Some("small-judge-2026"));
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen.head);
    assert!(!seen.head.to_lowercase().contains("authorization"));
    let wanted = serde_json::json!({
        "model": "small-judge", "messages": [{"role": "user", "content": "what is the amber tonic"}],
        "temperature": 0.5, "max_completion_tokens": 50, "top_p": 0.9, "seed": 7, "stop": ["end"],
    });
    assert_eq!(seen.body, wanted);
    let usage = endpoint.usage();
    assert_eq!((usage.requests, usage.replies, usage.prompt_tokens, usage.completion_tokens), (1, 1, 10, 5));
}

#[test]
fn what_may_pass_is_tried_again() {
    let failures: [fn() -> Act; 15] = [
        || Act::Status(500, "", "oops"),
        || Act::Status(429, "", "slow down"),
        || Act::Status(503, "", ""),
        || Act::HangUp,
        || Act::Cut,
        || Act::Body(completion("fine")[..40].into()),
        || Act::Body(r#"{"error": {"message": "overloaded"}}"#.into()),
        || Act::Body(r#"{"error": "overloaded"}"#.into()),
        || Act::Body(r#"{"choices": null, "error": {"message": "upstream overloaded", "code": 502}}"#.into()),
        || Act::Body(r#"{"choices": [], "error": {"message": "slow down", "code": "429"}}"#.into()),
        || Act::Body(r#"{"choices": null, "error": {"message": "busy", "type": "overloaded_error"}}"#.into()),
        || Act::Body(r#"{"choices": null, "error": {"message": "something"}}"#.into()),
        || Act::Body(r#"{"object": "error", "message": "out of memory", "code": 500}"#.into()),
        || Act::Body(r#"{"choices": [{"message": {"content": "fi"}, "finish_reason": "error"}]}"#.into()),
        || {
            Act::Body(
                r#"{"choices": [{"error": {"code": 502}, "message": {"content": ""}, "finish_reason": "error"}]}"#
                    .into(),
            )
        },
    ];
    for failure in failures {
        let server = once(failure);
        let endpoint = server.endpoint();
        let reply = endpoint.chat(&chat()).unwrap();
        assert_eq!((reply.spoken.text.as_str(), reply.transport_retries, server.requests()), ("fine", 1, 2));
        assert_eq!((endpoint.usage().transport_retries, endpoint.usage().requests), (1, 2));
    }
}

#[test]
fn a_slow_reply_is_given_up_and_tried_again() {
    let server = once(|| Act::Wait(Duration::from_secs(3)));
    let settings = EndpointSettings { timeout_seconds: 1.0, ..server.settings() };
    assert_eq!(ask(settings).unwrap().transport_retries, 1);
    let server = Server::start(|_, _| Act::Wait(Duration::from_secs(3)));
    let settings = EndpointSettings { timeout_seconds: 0.2, retries: 1, ..server.settings() };
    let error = ask(settings).unwrap_err();
    assert!(matches!(error, EndpointError::Timeout { attempts: 2, .. }), "{error}");
    assert!(error.to_string().contains("timeout_seconds"), "{error}");
}

#[test]
fn retries_end() {
    let server = Server::start(|_, _| Act::Status(500, "", "oops"));
    let error = ask(server.settings()).unwrap_err();
    assert!(matches!(error, EndpointError::Status { status: 500, attempts: 4, .. }), "{error}");
    assert_eq!(server.requests(), 4);
}

#[test]
fn retry_after_is_honoured_by_everybody() {
    let server = once(|| Act::Status(429, "retry-after: 1\r\n", ""));
    let endpoint = server.endpoint();
    std::thread::scope(|scope| {
        scope.spawn(|| endpoint.chat(&chat()).unwrap());
        while server.requests() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(400));
        scope.spawn(|| endpoint.chat(&chat()).unwrap());
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for later in &seen[1..] {
        assert!(later.at - seen[0].at >= Duration::from_millis(900), "{:?}", later.at - seen[0].at);
    }
}

#[test]
fn an_endpoint_that_wants_too_long_a_wait_is_given_up() {
    for act in [
        || Act::Status(429, "retry-after: 3600\r\n", ""),
        || Act::Status(429, "retry-after: 86400000000\r\n", ""),
        || Act::Status(503, "retry-after: 1e300\r\n", ""),
        || Act::Status(503, "retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n", ""),
    ] {
        let server = once(act);
        let start = Instant::now();
        let error = ask(server.settings()).unwrap_err();
        assert!(matches!(error, EndpointError::Status { attempts: 1, .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    type Failure = (fn() -> Act, &'static str);
    let failures: [Failure; 12] = [
        (|| Act::Status(401, "", "no"), "api_key_env"),
        (|| Act::Status(404, "", "no"), "base and model"),
        (|| Act::Status(400, "", "no"), "max_completion_tokens"),
        (|| Act::Status(302, "location: http://127.0.0.1:9/\r\n", ""), "redirects are not followed"),
        (|| Act::Status(429, "", r#"{"error": {"code": "insufficient_quota"}}"#), "no credit"),
        (|| Act::Body(r#"{"text": "fine"}"#.into()), "choices"),
        (|| Act::Body(r#"{"choices": []}"#.into()), "no choices"),
        (|| Act::Body("[]".into()), "no chat completion"),
        (|| Act::Body(r#"{"choices": null}"#.into()), "choices"),
        (|| Act::Body(r#"{"choices": null, "error": {"code": 401, "message": "no"}}"#.into()), "api_key_env"),
        (|| Act::Body(r#"{"choices": [], "error": {"type": "insufficient_quota"}}"#.into()), "no credit"),
        (|| Act::Body(r#"{"error": {"code": "400", "message": "bad seed"}}"#.into()), "omit = [\"seed\"]"),
    ];
    for (failure, advice) in failures {
        let server = once(failure);
        let error = ask(server.settings()).unwrap_err();
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(server.requests(), 1, "{error}");
    }
}

#[test]
fn a_provider_that_declines_is_told_apart() {
    let with = |message: &str, finish: &str| {
        format!(r#"{{"choices": [{{"message": {message}, "finish_reason": "{finish}"}}]}}"#)
    };
    let asked = |message: &str, finish: &str| {
        let body = with(message, finish);
        ask(Server::start(move |_, _| Act::Body(body.clone())).settings()).unwrap_err()
    };
    let filtered = |until: &str| EndpointError::Filtered { said: "content_filter".into(), until: until.into() };
    let refused = EndpointError::Refused { said: "no , i will not".into() };
    assert_eq!(asked(r#"{"content": null, "refusal": "no , i will not"}"#, "stop"), refused);
    assert_eq!(asked(r#"{"content": [{"type": "refusal", "refusal": "no , i will not"}]}"#, "stop"), refused);
    assert_eq!(asked(r#"{"content": ""}"#, "content_filter"), filtered(""));
    assert_eq!(asked(r#"{"content": "grind the"}"#, "content_filter"), filtered("grind the"));
    let server = Server::start(|_, _| Act::Status(400, "", r#"{"error": {"code": "content_filter"}}"#));
    assert!(matches!(ask(server.settings()), Err(EndpointError::Filtered { .. })));
}

#[test]
fn a_null_reply_is_an_empty_text() {
    let server =
        Server::start(|_, _| Act::Body(r#"{"choices": [{"message": {"content": null}}], "usage": null}"#.into()));
    let reply = ask(server.settings()).unwrap();
    assert_eq!((reply.spoken.text.as_str(), reply.prompt_tokens), ("", None));
}

#[test]
fn nobody_listening_is_an_error_with_the_address() {
    let settings = EndpointSettings {
        base: "http://127.0.0.1:1/v1".into(),
        model: "m".into(),
        retries: 1,
        backoff_seconds: 0.0,
        ..EndpointSettings::default()
    };
    let endpoint = Endpoint::new(settings).unwrap();
    let error = endpoint.chat(&chat()).unwrap_err();
    assert!(
        matches!(&error, EndpointError::Unreachable { attempts: 2, url, .. } if url.contains("127.0.0.1:1")),
        "{error}"
    );
    assert_eq!(endpoint.usage().presumed_tokens, 0);
}

#[test]
fn requests_keep_their_pace_and_their_number() {
    let server = Server::start(|_, _| Act::Wait(Duration::from_millis(60)));
    let settings = EndpointSettings { max_concurrency: 3, ..server.settings() };
    let endpoint = Endpoint::new(settings).unwrap();
    std::thread::scope(|scope| {
        (0..12).for_each(|_| drop(scope.spawn(|| endpoint.chat(&chat()).unwrap())));
    });
    assert!(server.busiest() <= 3 && server.requests() == 12, "{}", server.busiest());

    let server = Server::saying("fine");
    let settings = EndpointSettings { requests_per_minute: Some(1200.0), ..server.settings() };
    let endpoint = Endpoint::new(settings).unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| endpoint.chat(&chat()).unwrap())));
    });
    assert!(start.elapsed() >= Duration::from_millis(7 * 50), "{:?}", start.elapsed());
}

#[test]
fn the_key_goes_into_the_header_and_nowhere_else() {
    // Cargo sets this variable for tests.
    let (variable, key) = ("CARGO_PKG_NAME", std::env::var("CARGO_PKG_NAME").unwrap());
    let server = Server::start(|_, _| Act::Status(401, "", "the key mosa-client is wrong"));
    let settings = EndpointSettings { api_key_env: Some(variable.into()), ..server.settings() };
    let endpoint = Endpoint::new(settings).unwrap();
    let error = endpoint.chat(&chat()).unwrap_err();
    assert!(server.seen()[0].head.contains(&format!("authorization: Bearer {key}\r\n")));
    for text in [error.to_string(), format!("{error:?}"), format!("{endpoint:?}")] {
        assert!(!text.contains(&key), "{text}");
    }
    assert!(error.to_string().contains("[key]"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let good = EndpointSettings { base: "http://localhost:1/v1".into(), model: "m".into(), ..Default::default() };
    assert!(Endpoint::new(good.clone()).is_ok());
    let refused = |settings: EndpointSettings, name: &str| {
        let error = Endpoint::new(settings).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    for base in ["", "localhost:1", "ftp://host/v1", "http://", "http://me:secret@localhost:1/v1"] {
        refused(EndpointSettings { base: base.into(), ..good.clone() }, "base");
    }
    for base in ["http://localhost:1/v1?key=secret", "http://localhost:1/v1/?secret", "http://localhost:1/v1#secret"] {
        let error = Endpoint::new(EndpointSettings { base: base.into(), ..good.clone() }).unwrap_err().to_string();
        assert!(error.contains("api_key_env") && !error.contains("secret"), "{error}");
    }
    refused(EndpointSettings { omit: vec!["temprature".into()], ..good.clone() }, "temperature, max_tokens");
    refused(EndpointSettings { system_role: "boss".into(), ..good.clone() }, "system_role");
    let mut unlimited = EndpointSettings { omit: vec!["max_tokens".into()], ..good.clone() };
    unlimited.budget.tokens = Some(100);
    refused(unlimited, "omit leaves out max_tokens");
    refused(EndpointSettings { model: String::new(), ..good.clone() }, "model");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        refused(EndpointSettings { timeout_seconds: bad, ..good.clone() }, "timeout_seconds");
    }
    refused(EndpointSettings { backoff_seconds: -1.0, ..good.clone() }, "backoff_seconds");
    refused(EndpointSettings { max_concurrency: 0, ..good.clone() }, "max_concurrency");
    refused(EndpointSettings { requests_per_minute: Some(0.0), ..good.clone() }, "requests_per_minute");
    let mut money = good.clone();
    money.budget.money = Some(1.0);
    refused(money, "price");
    refused(EndpointSettings { api_key_env: Some("MOSA_NO_SUCH_KEY".into()), ..good.clone() }, "MOSA_NO_SUCH_KEY");
    let key = Some("CARGO_PKG_NAME".to_owned());
    let far = EndpointSettings { base: "http://judge.example/v1".into(), api_key_env: key, ..good };
    refused(far.clone(), "unencrypted");
    assert!(Endpoint::new(EndpointSettings { allow_plain_http: true, ..far }).is_ok());
}

#[test]
fn settings_come_from_toml_and_unknown_keys_are_errors() {
    let text = "base = 'http://localhost:1/v1'\nmodel = 'm'\n[budget]\ntokens = 5\n[price]\nprompt_per_million = 0.5";
    let settings: EndpointSettings = toml::from_str(text).unwrap();
    assert_eq!((settings.budget.tokens, settings.price.prompt_per_million), (Some(5), 0.5));
    assert!(toml::from_str::<EndpointSettings>("modle = 'm'").is_err());
}

#[test]
fn what_an_endpoint_does_not_accept_is_left_out() {
    let server = Server::saying("fine");
    let omit = ["temperature", "max_tokens", "top_p", "seed", "stop"].map(str::to_owned).to_vec();
    let settings = EndpointSettings { omit, system_role: "merge".into(), ..server.settings() };
    let messages = vec![
        Message::new(Role::System, "be brief"),
        Message::new(Role::User, "what is the amber tonic"),
        Message::new(Role::Assistant, "a tonic"),
        Message::new(Role::User, "more"),
    ];
    let sent =
        Chat { temperature: 0.5, seed: Some(7), top_p: Some(0.9), stop: vec!["end".into()], ..Chat::new(messages) };
    Endpoint::new(settings).unwrap().chat(&sent).unwrap();
    let wanted = serde_json::json!({"model": "small-judge", "messages": [
        {"role": "user", "content": "be brief\n\nwhat is the amber tonic"},
        {"role": "assistant", "content": "a tonic"},
        {"role": "user", "content": "more"},
    ]});
    assert_eq!(server.seen()[0].body, wanted);
    let settings = EndpointSettings { system_role: "developer".into(), ..server.settings() };
    Endpoint::new(settings).unwrap().chat(&sent).unwrap();
    assert_eq!(server.seen()[1].body["messages"][0]["role"], "developer");
}

#[test]
fn the_advice_names_what_the_provider_names_and_nothing_that_is_set_already() {
    let openai = |message: &str, param: &str| {
        serde_json::json!({"error": {"message": message, "param": param, "type": "invalid_request_error"}}).to_string()
    };
    let known = [
        (
            openai("Unsupported value: 'temperature' does not support 0 with this model.", "temperature"),
            "omit = [\"temperature\"]",
        ),
        (
            r#"{"detail": [{"loc": ["body", "seed"], "msg": "extra inputs are not permitted"}]}"#.into(),
            "omit = [\"seed\"]",
        ),
        (r#"{"error": {"message": "unrecognized request argument supplied: top_p"}}"#.into(), "omit = [\"top_p\"]"),
        (
            openai(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "max_tokens",
            ),
            "max_tokens_key = \"max_completion_tokens\"",
        ),
        (openai("max_tokens is too large: 9000", "max_tokens"), "fewer tokens"),
        (openai("This model's maximum context length is 4096 tokens", "messages"), "shorter text"),
        (openai("System role not supported", ""), "system_role = \"merge\""),
        (
            openai(
                "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                "messages[0].role",
            ),
            "system_role = \"merge\"",
        ),
        ("no".into(), "max_completion_tokens"),
    ];
    for (body, setting) in &known {
        let said = body.clone();
        let server = Server::start(move |_, _| Act::Body(format!(r#"{{"error": {{"code": 400}}, "said": {said:?}}}"#)));
        assert!(ask(server.settings()).is_err());
        let advice = advice_of(body, server.settings());
        assert!(advice.contains(setting), "{body}: {advice}");
        assert!(!advice.contains("try max_tokens_key") || body == "no", "{body}: {advice}");
        let all = ["temperature", "max_tokens", "top_p", "seed"].map(str::to_owned).to_vec();
        let done = EndpointSettings {
            omit: all,
            system_role: "merge".into(),
            max_tokens_key: "max_completion_tokens".into(),
            ..server.settings()
        };
        let advice = advice_of(body, done);
        assert!(!["omit", "system_role", "max_tokens_key"].iter().any(|s| advice.contains(s)), "{body}: {advice}");
    }
}

/// What the error of a 400 with this body advises.
fn advice_of(body: &str, settings: EndpointSettings) -> String {
    let body: &'static str = Box::leak(body.to_owned().into_boxed_str());
    let server = Server::start(move |_, _| Act::Status(400, "", body));
    match ask(EndpointSettings { base: server.base.clone(), ..settings }) {
        Err(EndpointError::Status { advice, .. }) => advice,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_content_in_parts_is_joined_and_its_thoughts_are_told_apart() {
    let said = |message: &str| {
        let body = format!(r#"{{"choices": [{{"message": {message}, "finish_reason": "stop"}}]}}"#);
        ask(Server::start(move |_, _| Act::Body(body.clone())).settings())
    };
    let parts = r#"{"content": [{"type": "text", "text": "grind "}, "the ", {"type": "output_text", "text": "salt"}]}"#;
    assert_eq!(said(parts).unwrap().spoken.text, "grind the salt");
    let thinking = r#"{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "salt"}]}"#;
    let channels = [r#"{"content": "salt", "reasoning_content": "hm"}"#, r#"{"content": "salt", "reasoning": "hm"}"#];
    let tags = r#"{"content": "<think>hm</think>salt"}"#;
    for message in channels.into_iter().chain([thinking, tags]) {
        let spoken = said(message).unwrap().spoken;
        assert_eq!((spoken.whole(), spoken.reasoning.as_str()), (Some("salt"), "hm"), "{message}");
    }
    let image = said(r#"{"content": [{"type": "image_url", "image_url": {}}]}"#).unwrap_err().to_string();
    assert!(image.contains("image_url"), "{image}");
}

#[test]
fn a_reply_in_latin_1_is_read() {
    let body = || completion("caf\u{e9} au lait").chars().map(|c| c as u8).collect::<Vec<u8>>();
    for kind in ["application/json", "application/json; charset=iso-8859-1"] {
        let server = Server::start(move |_, _| Act::Bytes(kind, body()));
        assert_eq!(ask(server.settings()).unwrap().spoken.text, "caf\u{e9} au lait", "{kind}");
    }
    // UTF-8 with one damaged byte stays UTF-8.
    let damaged = || {
        [completion("caf\u{e9} ~").into_bytes()].concat().iter().map(|b| if *b == b'~' { 0xff } else { *b }).collect()
    };
    let server = Server::start(move |_, _| Act::Bytes("application/json", damaged()));
    assert_eq!(ask(server.settings()).unwrap().spoken.text, "caf\u{e9} \u{fffd}");
}
