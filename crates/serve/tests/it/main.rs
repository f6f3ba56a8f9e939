//! A server over a tiny checkpoint of `fixtures/`, asked over HTTP.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod answers;
mod connections;
mod faults;
mod http;
mod streams;

use mosa_core::Interrupt;
use mosa_engine::{Batching, Commit, Ends, Options, Schedule};
use mosa_model::{Checkpoint, ModelConfig, Transformer};
use mosa_runtime::{Ask, Defence, Model, Runtime, RuntimeError, Settings as RuntimeSettings};
use mosa_serve::{Knobs, Served, Settings, serve};
use mosa_text::{Message, Prompt, TextModel};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tch::{Device, Kind};

/// Positions of an answer where nobody asks for another number.
const POSITIONS: usize = 24;

/// Puts a word before every request.
struct Prefix;

impl Defence for Prefix {
    fn name(&self) -> &'static str {
        "prefix"
    }

    fn only_before(&self) -> bool {
        true
    }

    fn rewrite(&self, prompt: &mut Prompt) -> Result<(), RuntimeError> {
        if let Prompt::Chat(messages) = prompt {
            messages.insert(0, Message::user("be kind"));
        }
        Ok(())
    }
}

fn model() -> Model {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llada");
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad]).unwrap();
    let weights = Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, Device::Cpu).unwrap();
    Model::new(weights, None, text)
}

fn ends(text: &TextModel) -> Ends {
    Ends { eos: text.special.eos, eot: text.special.eot }
}

/// What the server's requests are decoded by.
fn options(ends: Ends, knobs: &Knobs) -> Result<Options, String> {
    if knobs.remasking.as_deref().is_some_and(|name| name != "low_confidence") {
        return Err("remasking is none of low_confidence".into());
    }
    let gen_length = knobs.gen_length.unwrap_or(POSITIONS);
    Ok(Options {
        gen_length,
        schedule: Schedule::Blocks { steps: knobs.steps.unwrap_or(gen_length), block_length: gen_length / 2 },
        commit: Commit::LowConfidence,
        temperature: knobs.temperature.unwrap_or(0.0),
        seed: knobs.seed.unwrap_or(0),
        ..Options::llada(ends)
    })
}

/// A server on a thread of its own.
struct Server {
    addr: SocketAddr,
    /// Its first worker.
    runtime: Runtime,
    stop: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(Batching::Turns, change)
    }

    fn with(batching: Batching, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            addr: "127.0.0.1:0".parse().unwrap(),
            running: 16,
            waiting: 64,
            timeout: Duration::from_secs(60),
            max_body: 1 << 20,
            api_key: None,
            score_tail: None,
            grace: Duration::from_secs(30),
            head: Settings::HEAD,
            body: Settings::BODY,
        };
        change(&mut settings);
        let first = model();
        let of = ends(&first.text);
        let workers: Vec<Runtime> = (0..2)
            .map(|_| {
                let settings = RuntimeSettings { batching, batch_size: 16, stop: Interrupt::new() };
                Runtime::start(first.shared(None), settings).unwrap()
            })
            .collect();
        let runtime = workers[0].clone();
        let served = Served {
            name: "tiny".into(),
            workers,
            sampler: Arc::new(move |knobs| options(of, knobs)),
            defences: vec![Arc::new(Prefix)],
            fingerprint: "f".into(),
        };
        let (stop, (tell, told)) = (Interrupt::new(), mpsc::channel());
        let own = stop.clone();
        let thread =
            std::thread::spawn(move || serve(vec![served], settings, &own, |addr| tell.send(addr).unwrap()).unwrap());
        Self { addr: told.recv().unwrap(), runtime, stop, thread: Some(thread) }
    }

    /// All that a connection says to these bytes, until it closes.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.write_all(bytes).unwrap();
        rest(stream)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_with(path, body, &[])
    }

    fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut request = agent.post(self.url(path)).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body.to_string()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut response = agent.get(self.url(path)).call().unwrap();
        let status = response.status().as_u16();
        (status, response.body_mut().read_to_string().unwrap())
    }

    /// The text of an answer to a chat.
    fn said(&self, body: &Value) -> String {
        let (status, answer) = self.post("/v1/chat/completions", body);
        assert_eq!(status, 200, "{answer}");
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    }

    /// What the runtime itself answers, through the server's defence.
    fn alone(&self, words: &str) -> String {
        let stack = mosa_runtime::Stack::new(vec![Arc::new(Prefix)]).unwrap();
        let options = options(ends(self.runtime.text()), &Knobs::default()).unwrap();
        let ask = Ask::new("0", Prompt::Chat(vec![Message::user(words)]));
        let shown = self.runtime.defended(stack).answer(&options, &[ask]).unwrap().pop().unwrap().unwrap();
        shown.texts.to_end
    }

    /// A number of `/metrics`.
    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until something is so.
    fn until(what: &str, mut so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !so() {
            assert!(began.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.ask();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// What a connection still says, until it closes.
fn rest(mut stream: TcpStream) -> String {
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    String::from_utf8_lossy(&told).into_owned()
}

/// A request with this body as it goes over the wire, with more lines in its head.
fn wire(more: &str, body: &str) -> Vec<u8> {
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    format!("{head}{more}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A chat with one turn.
fn chat(words: &str) -> Value {
    json!({"model": "tiny", "messages": [{"role": "user", "content": words}]})
}

/// The same with more in it.
fn with(mut body: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}
