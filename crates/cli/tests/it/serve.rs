//! `mosa serve` as a process: it starts, answers, stops, and starts again.

use crate::{command, fixture, mosa, press_ctrl_c, words};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A server, killed with the test.
struct Served {
    child: Child,
    addr: String,
}

impl Served {
    fn start(more: &str) -> Self {
        Self::by(command::<&str>(&[]), more)
    }

    /// The same by a program that goes on to be mosa.
    fn by(mut program: Command, more: &str) -> Self {
        let model = fixture("llada");
        let typed = format!("serve --model {{m}} --quiet {more}");
        program.args(words(typed.trim(), &[("m", &model)]));
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("http://") {
            said.clear();
            assert!(lines.read_line(&mut said).unwrap() > 0, "it ended before it listened");
        }
        // Nobody reads what else it says; a pipe that is gone would end it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let addr = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { child, addr }
    }

    /// The body of a response.
    fn ask(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        let kind = "Host: x\r\nConnection: close\r\nContent-Type: application/json";
        write!(stream, "{head} HTTP/1.1\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?} is no answer")).1.to_owned()
    }

    /// A long answer, at a temperature.
    fn answer(&self) -> Value {
        let body = json!({
            "messages": [{"role": "user", "content": "the sea"}],
            "temperature": 1, "seed": 3, "mosa": {"gen_length": 200, "steps": 200},
        });
        let answer: Value = serde_json::from_str(&self.ask("POST /v1/chat/completions", &body.to_string())).unwrap();
        json!([answer["choices"], answer["usage"], answer["mosa"]])
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_is_told_to_stop_ends_its_answers_first() {
    let mut served = Served::start("--addr 127.0.0.1:0");
    let expected = served.answer();
    assert!(expected[0][0]["message"]["content"].is_string(), "{expected}");
    let given = thread::scope(|scope| {
        let asked = scope.spawn(|| served.answer());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !served.ask("GET /metrics", "").contains("\nmosa_running 1") && !asked.is_finished() {
            assert!(Instant::now() < deadline, "it never ran");
        }
        press_ctrl_c(&served.child);
        asked.join().unwrap()
    });
    assert_eq!(given, expected);
    let ended = served.child.wait().unwrap();
    assert!(ended.success(), "{ended}");
    assert!(TcpStream::connect(&served.addr).is_err());
}

#[test]
fn a_seed_is_the_requests_else_one_of_its_own_at_a_temperature_else_the_servers() {
    let served = Served::start("--addr 127.0.0.1:0 --gen-length 8 --seed 5");
    let warm = Served::start("--addr 127.0.0.1:0 --gen-length 8 --seed 5 --temperature 1");
    let seed = |served: &Served, more: Value| -> u64 {
        let mut body = json!({"messages": [{"role": "user", "content": "the sea"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer: Value = serde_json::from_str(&served.ask("POST /v1/chat/completions", &body.to_string())).unwrap();
        answer["mosa"]["seed"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    };
    assert_eq!([seed(&served, json!({})), seed(&served, json!({"seed": 9}))], [5, 9]);
    assert_eq!(seed(&warm, json!({"seed": 9})), 9);
    assert_ne!(seed(&warm, json!({})), seed(&warm, json!({})));
    assert_ne!(seed(&served, json!({"temperature": 1})), seed(&served, json!({"temperature": 1})));
}

#[test]
fn a_server_that_was_killed_starts_again_at_its_address_and_answers_the_same() {
    let mut served = Served::start("--addr 127.0.0.1:0");
    let (first, addr) = (served.answer(), served.addr.clone());
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    let again = Served::start(&format!("--addr {addr}"));
    assert_eq!(again.answer(), first);
}

#[test]
fn what_a_server_cannot_do_is_said_before_it_listens() {
    let served = Served::start("--addr 127.0.0.1:0");
    let model = fixture("llada");
    let nowhere = Path::new("nowhere");
    let paths = [("m", model.as_path()), ("n", nowhere)];
    for (typed, said) in [
        (format!("serve --model {{m}} --addr {}", served.addr), "cannot listen at"),
        ("serve --model {n} --addr 127.0.0.1:0".to_owned(), "nowhere"),
        ("serve --model {m} --addr 127.0.0.1:0 --adapter x={n}".to_owned(), "nowhere"),
        ("serve --model {m} --addr 127.0.0.1:0 --adapter x".to_owned(), "is not NAME=DIR"),
        ("serve --model {m} --addr 127.0.0.1:0 --defence wall".to_owned(), "wall"),
        ("serve --model {m} --addr 127.0.0.1:0 --gen-length 12 --block-length 5".to_owned(), "block"),
        ("serve --model {m} --addr here".to_owned(), "here"),
    ] {
        let run = mosa(&words(&typed, &paths));
        assert_eq!(run.code, 2, "{typed}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{typed}: {}", run.stderr);
    }
}

/// An asset of a defence, fitted on a few rows with this adapter or none.
fn fitted(dir: &Path, file: &str, adapter: &str) -> PathBuf {
    let rows = "prompt,response\nhow do i cook it,take a pot and stir\nwho built it,a mason did\nwhat is rain,water that falls\n";
    let (data, out, model) = (dir.join("rows.csv"), dir.join(file), fixture("llada"));
    std::fs::write(&data, rows).unwrap();
    let typed = format!("defence fit sad --quiet --model {{m}} --out {{o}} {adapter}");
    let mut typed = words(typed.trim(), &[("m", &model), ("o", &out), ("a", &model.join("adapter"))]);
    typed.extend(["--data".to_owned(), format!("unsafe={}", data.display())]);
    mosa(&typed).ok();
    out
}

#[test]
fn every_adapter_has_the_asset_that_was_made_with_it_or_it_is_said_which_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let (base, lora) = (fitted(dir.path(), "base", ""), fitted(dir.path(), "lora", "--adapter {a}"));
    let adapter = fixture("llada").join("adapter");
    let typed = |assets: &[&Path]| {
        let defences: String = assets.iter().map(|asset| format!(" --defence sad:asset={}", asset.display())).collect();
        format!("--adapter lora={}{defences} --addr 127.0.0.1:0 --name tiny", adapter.display())
    };
    let served = Served::start(&typed(&[&base, &lora]));
    let models: Value = serde_json::from_str(&served.ask("GET /v1/models", "")).unwrap();
    let has = |n: usize| (models["data"][n]["id"].as_str().unwrap(), &models["data"][n]["mosa"]["defences"]);
    assert_eq!([has(0), has(1)], [("tiny", &json!(["sad"])), ("tiny:lora", &json!(["sad"]))]);
    let model = fixture("llada");
    for (asset, without) in [(&base, "tiny:lora would have none"), (&lora, "tiny would have none")] {
        let run = mosa(&words(&format!("serve --model {{m}} {}", typed(&[asset])), &[("m", &model)]));
        assert!(run.code == 2 && run.stderr.contains(without), "{}", run.stderr);
        assert!(run.stderr.contains("mosa defence fit sad"), "{}", run.stderr);
    }
}

#[test]
fn where_there_are_more_connections_than_files_those_that_are_there_are_answered_and_others_wait() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mosa")]);
    let served = Served::by(limited, "--addr 127.0.0.1:0 --gen-length 8");
    let mut early = TcpStream::connect(&served.addr).unwrap();
    let answered = |of: &mut TcpStream| {
        write!(of, "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut first = [0; 15];
        of.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        // The rest of it, as far as it is there.
        let _ = of.read(&mut [0; 65536]);
    };
    answered(&mut early);
    let crowd: Vec<TcpStream> = (0..120).map(|_| TcpStream::connect(&served.addr).unwrap()).collect();
    let mut late = TcpStream::connect(&served.addr).unwrap();
    late.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    write!(late, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(late.read(&mut [0; 1]).is_err(), "80 files are enough for 120 connections");
    answered(&mut early);
    drop(crowd);
    late.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut told = String::new();
    late.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
}
