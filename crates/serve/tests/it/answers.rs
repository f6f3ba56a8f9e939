//! What is answered.

use crate::{POSITIONS, Server, chat, ends, options, with};
use mosa_engine::Batching;
use mosa_serve::Knobs;
use serde_json::{Value, json};
use std::thread;

#[test]
fn an_answer_over_http_is_the_runtimes_own_and_says_what_it_cost() {
    let server = Server::start(|_| {});
    let (status, answer) = server.post("/v1/chat/completions", &chat("tell me of the sea"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], server.alone("tell me of the sea"));
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("tiny")));
    let usage = &answer["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert!(answer["mosa"]["forwards"].as_u64().unwrap() > 0);
    assert_eq!(answer["mosa"]["defences"][0]["defence"], "prefix");
}

#[test]
fn every_answer_under_load_has_the_bytes_it_has_alone() {
    let server = Server::start(|settings| settings.waiting = 1000);
    let asked: Vec<Value> = (0..40)
        .map(|n| {
            let more = json!({"temperature": f64::from(n % 2), "seed": n, "max_tokens": 12 + 12 * (n % 3)});
            with(chat(&format!("question {n}")), &more)
        })
        .collect();
    let alone: Vec<String> = asked.iter().map(|body| server.said(body)).collect();
    let together: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = asked.iter().map(|body| scope.spawn(|| server.said(body))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert!(alone.iter().collect::<std::collections::BTreeSet<_>>().len() > 20, "they tell requests apart");
}

#[test]
fn answers_that_share_passes_are_all_there_and_each_is_its_requests_own() {
    let server = Server::with(Batching::SHARED, |_| {});
    let said: Vec<(String, String)> = thread::scope(|scope| {
        let one = |n: usize| {
            let server = &server;
            scope.spawn(move || {
                let prefill = json!({"mosa": {"prefill": [{"offset": 0, "text": format!("n{n}")}]}});
                (format!("n{n}"), server.said(&with(chat("count"), &prefill)))
            })
        };
        (0..12).map(one).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (own, text) in said {
        assert!(text.starts_with(&own), "{own} in {text:?}");
    }
}

#[test]
fn several_choices_differ_by_their_draws_and_come_back_with_their_seed() {
    let server = Server::start(|_| {});
    let body = with(chat("a story"), &json!({"n": 3, "temperature": 1.0, "seed": 7}));
    let texts = |answer: &Value| -> Vec<String> {
        let choices = answer["choices"].as_array().unwrap();
        choices.iter().map(|c| c["message"]["content"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = server.post("/v1/chat/completions", &body);
    let (_, second) = server.post("/v1/chat/completions", &body);
    assert_eq!(texts(&first), texts(&second));
    assert_eq!(texts(&first).len(), 3);
    assert!(texts(&first)[0] != texts(&first)[1], "{first}");
    let unseeded = with(chat("a story"), &json!({"temperature": 1.0}));
    let (_, one) = server.post("/v1/chat/completions", &unseeded);
    let again = with(unseeded, &json!({"mosa": {"seed": one["mosa"]["seed"]}}));
    assert_eq!(texts(&one), texts(&server.post("/v1/chat/completions", &again).1));
}

#[test]
fn an_answer_is_cut_at_a_stop_text_and_at_max_tokens_of_a_longer_canvas() {
    let server = Server::start(|_| {});
    let whole = server.said(&chat("the sea"));
    let chars: Vec<char> = whole.chars().collect();
    let stops = (1..chars.len()).map(|at| chars[at..chars.len().min(at + 4)].iter().collect::<String>());
    // One that does not stand at the beginning, where nothing would be left.
    let stop = stops.into_iter().find(|stop| whole.find(stop.as_str()).is_some_and(|at| at > 0)).unwrap();
    let (_, cut) = server.post("/v1/chat/completions", &with(chat("the sea"), &json!({"stop": [stop]})));
    assert_eq!(cut["choices"][0]["message"]["content"], whole[..whole.find(&stop).unwrap()]);
    assert_eq!(cut["choices"][0]["finish_reason"], "stop");
    let short = with(chat("the sea"), &json!({"max_tokens": 3, "mosa": {"gen_length": POSITIONS}}));
    let (_, short) = server.post("/v1/chat/completions", &short);
    assert_eq!(short["usage"]["completion_tokens"], 3);
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert!(whole.starts_with(short["choices"][0]["message"]["content"].as_str().unwrap()));
}

#[test]
fn words_are_forced_defences_left_out_and_every_step_is_returned() {
    let server = Server::start(|_| {});
    let own = json!({"mosa": {"prefill": [{"offset": 2, "text": "brine"}], "defences": [], "return_trace": true}});
    let (status, answer) = server.post("/v1/chat/completions", &with(chat("the sea"), &own));
    assert_eq!(status, 200, "{answer}");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("brine"), "{answer}");
    let own = &answer["mosa"];
    assert_eq!(own["defences"], json!([]));
    // A step that reveals nothing counts, and changes nothing to return.
    let trace = own["trace"].as_array().unwrap();
    assert_eq!(trace.last().unwrap()["clock"].as_u64().unwrap() + 1, own["steps"].as_u64().unwrap());
    assert!(own["answer"]["steps"].as_array().unwrap()[2].is_null(), "a forced position has no step");
}

#[test]
fn a_last_turn_of_the_assistant_is_gone_on_from() {
    let server = Server::start(|_| {});
    let body = json!({"messages": [{"role": "user", "content": "the sea"}, {"role": "assistant", "content": "It is"}]});
    let (status, begun) = server.post("/v1/chat/completions", &body);
    assert_eq!(status, 200, "{begun}");
    let (_, plain) = server.post("/v1/chat/completions", &chat("the sea"));
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens(&begun) > tokens(&plain));
}

#[test]
fn strings_of_special_tokens_are_words_unless_they_are_asked_for() {
    let server = Server::start(|_| {});
    let text = server.runtime.text();
    let eot = text.special.turn_end();
    let count =
        |body: &Value| server.post("/v1/completions", body).1["usage"]["prompt_tokens"].as_u64().unwrap() as usize;
    let body = json!({"prompt": format!("a {eot} b")});
    let special = with(body.clone(), &json!({"mosa": {"allow_special": true}}));
    assert_eq!(count(&special), text.tokenizer.encode(&format!("a {eot} b")).unwrap().len());
    assert!(count(&body) > count(&special));
    let mask = text.tokenizer.token(text.special.mask).unwrap();
    let (status, _) = server.post("/v1/chat/completions", &chat(&format!("what is {mask}?")));
    assert_eq!(status, 200, "a question about the mask token is a question");
    let asked = with(chat(&format!("what is {mask}?")), &json!({"mosa": {"allow_special": true}}));
    assert_eq!(server.post("/v1/chat/completions", &asked).0, 400);
    assert_eq!(server.said(&chat("plain words")), server.alone("plain words"));
}

#[test]
fn completions_take_texts_and_ids_and_echo_them() {
    let server = Server::start(|_| {});
    let ids = server.runtime.text().tokenizer.encode("once upon a time").unwrap();
    let (_, by_ids) = server.post("/v1/completions", &json!({"prompt": [ids, ids], "mosa": {"defences": []}}));
    let (_, by_text) = server.post("/v1/completions", &json!({"prompt": "once upon a time", "echo": true}));
    let text = |answer: &Value, n: usize| answer["choices"][n]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&by_ids, 0), text(&by_ids, 1));
    assert_eq!(by_ids["choices"][1]["index"], 1);
    assert_eq!(text(&by_text, 0), format!("once upon a time{}", text(&by_ids, 0)));
}

#[test]
fn the_end_of_a_prompt_is_scored_as_the_engine_scores_it() {
    let server = Server::start(|_| {});
    let ids = server.runtime.text().tokenizer.encode("once upon a time there was").unwrap();
    let body = json!({"prompt": [ids], "echo": true, "logprobs": 1, "max_tokens": 1, "temperature": 0, "seed": 1234});
    assert_eq!(server.post("/v1/completions", &body).1["error"]["param"], "mosa.score_tail");
    let (status, scored) = server.post("/v1/completions", &with(body, &json!({"mosa": {"score_tail": 2}})));
    assert_eq!(status, 200, "{scored}");
    let said = &scored["choices"][0]["logprobs"];
    let log_p = said["token_logprobs"].as_array().unwrap();
    assert_eq!(log_p.len(), ids.len() + 1);
    let options = options(ends(server.runtime.text()), &Knobs::default()).unwrap();
    let own = server.runtime.tail(&options, ids.clone(), 2).unwrap().tokens;
    for (at, own) in (ids.len() - 2..).zip(own) {
        assert_eq!(log_p[at].as_f64(), Some(own.log_p));
        let top = said["top_logprobs"][at].as_object().unwrap();
        let most = top.values().filter_map(Value::as_f64).fold(f64::NEG_INFINITY, f64::max);
        assert!((most - own.best.1).abs() < 1e-12);
    }
    assert!(log_p[ids.len() - 3].is_null() && log_p[ids.len()].is_null());
}

#[test]
fn a_prompt_shorter_than_the_tail_of_the_server_is_scored_from_its_second_token_on() {
    let server = Server::start(|settings| settings.score_tail = Some(64));
    let ids = server.runtime.text().tokenizer.encode("once upon a time").unwrap();
    let body = json!({"prompt": [ids], "echo": true, "logprobs": 1, "max_tokens": 1});
    let (status, scored) = server.post("/v1/completions", &body);
    assert_eq!(status, 200, "{scored}");
    let log_p = scored["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
    assert!(log_p[0].is_null() && log_p[1..ids.len()].iter().all(Value::is_number), "{scored}");
    let asked = server.post("/v1/completions", &with(body, &json!({"mosa": {"score_tail": 64}})));
    assert_eq!(asked.0, 400, "what a request asks for and cannot have is refused");
}

#[test]
fn models_words_and_counts_can_be_asked_for() {
    let server = Server::start(|_| {});
    let (_, models) = server.get("/v1/models");
    let models: Value = serde_json::from_str(&models).unwrap();
    assert_eq!(
        (&models["data"][0]["id"], &models["data"][0]["mosa"]["defences"]),
        (&json!("tiny"), &json!(["prefix"]))
    );
    let (_, ids) = server.post("/tokenize", &json!({"prompt": "the sea", "add_special_tokens": false}));
    let (_, back) = server.post("/v1/detokenize", &json!({"tokens": ids["tokens"]}));
    assert_eq!(back["prompt"], "the sea");
    let info: Value = serde_json::from_str(&server.get("/tokenizer_info").1).unwrap();
    let special = &server.runtime.text().special;
    assert_eq!(info["eos_token"], server.runtime.text().tokenizer.token(special.eos).unwrap());
    assert!(info["chat_template"].as_str().unwrap().contains("messages"));
    server.said(&chat("x"));
    assert!(server.metric("mosa_completion_tokens_total") > 0.0);
    assert_eq!(server.metric("mosa_responses_total{route=\"/v1/chat/completions\",status=\"200\"}"), 1.0);
}

#[test]
fn tokens_of_an_answer_have_their_bytes_also_where_those_are_half_a_character() {
    let server = Server::start(|_| {});
    let mut halves = 0;
    for seed in 0..12 {
        let body = with(chat("the sea"), &json!({"logprobs": true, "temperature": 2.0, "seed": seed}));
        let (_, answer) = server.post("/v1/chat/completions", &body);
        let choice = &answer["choices"][0];
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        let bytes = |token: &Value| -> Vec<u8> {
            token["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
        };
        // Special tokens are tokens, and no text.
        let words = tokens.iter().filter(|token| !token["token"].as_str().unwrap().starts_with("<|"));
        let all: Vec<u8> = words.flat_map(bytes).collect();
        assert_eq!(String::from_utf8_lossy(&all), choice["message"]["content"].as_str().unwrap());
        for token in tokens {
            let (said, bytes) = (token["token"].as_str().unwrap(), bytes(token));
            match std::str::from_utf8(&bytes) {
                Ok(whole) => assert_eq!(said, whole),
                Err(_) => assert!(said.contains("\\x"), "{token}"),
            }
            halves += usize::from(said.contains("\\x"));
        }
    }
    assert!(halves > 0, "there was no half of a character");
}

#[test]
fn choices_of_one_question_have_the_numbers_each_has_alone() {
    let server = Server::start(|_| {});
    let ids = server.runtime.text().tokenizer.encode("once upon a time there was").unwrap();
    let options = options(ends(server.runtime.text()), &Knobs::default()).unwrap();
    let choices: Vec<Vec<u32>> = (300..304).map(|last| [ids.as_slice(), &[last]].concat()).collect();
    let body = |prompts: &[Vec<u32>]| json!({"prompt": prompts, "echo": true, "logprobs": 1, "max_tokens": 1, "mosa": {"score_tail": 3}});
    let together = server.post("/v1/completions", &body(&choices)).1;
    for (n, choice) in choices.iter().enumerate() {
        let own = server.runtime.tail(&options, choice.clone(), 3).unwrap().tokens;
        let one = server.post("/v1/completions", &body(std::slice::from_ref(choice))).1;
        assert_eq!(one["choices"][0]["logprobs"], together["choices"][n]["logprobs"]);
        let said = one["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
        for (at, own) in own.iter().enumerate() {
            assert_eq!(said[choice.len() - 3 + at].as_f64(), Some(own.log_p));
        }
    }
    let mask = server.runtime.text().special.mask;
    for last in [mask, 999_999] {
        assert_eq!(server.post("/v1/completions", &body(&[[ids.as_slice(), &[last]].concat()])).0, 400, "{last}");
    }
}
