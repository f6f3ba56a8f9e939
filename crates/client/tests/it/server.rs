//! A small HTTP server that behaves as badly as it is told to.

use mosa_client::{Endpoint, EndpointSettings};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server does with a request.
pub(crate) enum Act {
    /// 200 and a chat completion with this text, 10 + 5 tokens.
    Say(String),
    /// 200 and this body.
    Body(String),
    /// 200, this content type and these bytes.
    Bytes(&'static str, Vec<u8>),
    /// A status, further header lines, a body.
    Status(u16, &'static str, &'static str),
    /// Nothing for this long, then a good reply.
    Wait(Duration),
    /// Closes the connection.
    HangUp,
    /// A good reply whose connection breaks in the middle.
    Cut,
}

/// A request as the server saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    busiest: Arc<AtomicUsize>,
}

impl Server {
    /// Serves until the test binary ends; the handler gets the number of the request, from 0, and its body.
    pub(crate) fn start(handler: impl Fn(usize, &Value) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (busy, busiest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handler, log, most) = (Arc::new(handler), Arc::clone(&seen), Arc::clone(&busiest));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
                std::thread::spawn(move || {
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let request = read(&stream);
                    let act = request.map(|request| {
                        let number = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len() - 1
                        };
                        handler(number, &request.body)
                    });
                    if let Some(Act::Wait(time)) = &act {
                        std::thread::sleep(*time);
                    }
                    busy.fetch_sub(1, Ordering::SeqCst);
                    let _ = act.map(|act| answer(stream, act));
                });
            }
        });
        Self { base, seen, busiest }
    }

    pub(crate) fn saying(text: &str) -> Self {
        let text = text.to_owned();
        Self::start(move |_, _| Act::Say(text.clone()))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The most requests it worked on at once.
    pub(crate) fn busiest(&self) -> usize {
        self.busiest.load(Ordering::SeqCst)
    }

    /// Quick settings for it.
    pub(crate) fn settings(&self) -> EndpointSettings {
        EndpointSettings {
            base: self.base.clone(),
            model: "small-judge".into(),
            timeout_seconds: 5.0,
            backoff_seconds: 0.001,
            retries: 3,
            max_concurrency: 16,
            ..EndpointSettings::default()
        }
    }

    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::new(Endpoint::new(self.settings()).unwrap())
    }
}

/// A chat completion.
pub(crate) fn completion(text: &str) -> String {
    json!({
        "id": "x",
        "model": "small-judge-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    })
    .to_string()
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let at = Instant::now();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { head, body: serde_json::from_slice(&body).ok()?, at })
}

fn answer(mut stream: TcpStream, act: Act) -> std::io::Result<()> {
    let mut bytes = |status: u16, headers: &str, body: &[u8], keep: usize| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body[..keep.min(length)])
    };
    if let Act::Bytes(kind, body) = act {
        return bytes(200, &format!("content-type: {kind}\r\n"), &body, usize::MAX);
    }
    let mut write = |status, headers: &str, body: &str, keep| bytes(status, headers, body.as_bytes(), keep);
    match act {
        Act::Say(text) => write(200, "", &completion(&text), usize::MAX),
        Act::Body(body) => write(200, "", &body, usize::MAX),
        Act::Status(status, headers, body) => write(status, headers, body, usize::MAX),
        Act::Wait(_) => write(200, "", &completion("#score: 1"), usize::MAX),
        Act::HangUp | Act::Bytes(..) => Ok(()),
        Act::Cut => write(200, "", &completion("#score: 1"), 40),
    }
}
