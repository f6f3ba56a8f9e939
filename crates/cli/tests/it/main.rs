//! The `mosa` command as a user runs it, on the tiny checkpoints of `fixtures/`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod adapters;
mod align;
#[path = "../../../data/tests/it/at_hand.rs"]
mod at_hand;
mod attack;
mod bad_input;
mod blocks;
mod data;
mod defences;
mod earlier;
mod generate;
mod hub;
#[cfg(target_os = "linux")]
mod interrupt;
mod limits;
mod load;
mod objectives;
mod pairs;
mod probe;
mod ranks;
mod reading;
mod replies;
mod reproduce;
mod safety;
#[cfg(target_os = "linux")]
mod serve;
mod shards;
mod stacks;
#[cfg(target_os = "linux")]
mod terminal;
mod text;
mod tools;
mod utility;
mod verify;
mod words;
#[cfg(target_os = "linux")]
mod workers;
mod world;

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mosa"));
    // Tests run side by side already.
    command.args(args).env("OMP_NUM_THREADS", "1");
    command
}

/// What a run left behind.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Run {
    /// The run, after checking that it succeeded.
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// One JSON value per line of stdout.
    fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

fn mosa<S: AsRef<OsStr>>(args: &[S]) -> Run {
    command(args).output().unwrap().into()
}

/// A command line split at spaces; `{name}` is replaced by the path of that name.
fn words(text: &str, paths: &[(&str, &Path)]) -> Vec<String> {
    let fill = |word: &str| {
        paths.iter().fold(word.to_owned(), |w, (name, path)| w.replace(&format!("{{{name}}}"), &path.to_string_lossy()))
    };
    text.split(' ').map(fill).collect()
}

/// Runs a command line as [`words`] reads it.
fn line(text: &str, paths: &[(&str, &Path)]) -> Run {
    mosa(&words(text, paths))
}

/// Presses Ctrl-C on a command that was started.
#[cfg(unix)]
fn press_ctrl_c(child: &std::process::Child) {
    // SAFETY: sends a signal to a child that a test started and has not waited for.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    assert_eq!(sent, 0);
}

/// A copy of a fixture folder that a test may damage.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_all(&fixture(name), dir.path());
    dir
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Changes one key of a JSON file; null removes it.
fn edit(path: &Path, key: &str, value: Value) {
    let mut map = read_json(path);
    match value {
        Value::Null => drop(map.as_object_mut().unwrap().remove(key)),
        v => map[key] = v,
    }
    std::fs::write(path, map.to_string()).unwrap();
}

/// Overwrites the last 16 values of an f32 tensor (or 32 of a bf16 one) in a safetensors file.
fn damage_tensor(path: &Path, name: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let info: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let end = 8 + header + info[name]["data_offsets"][1].as_u64().unwrap() as usize;
    // 88 in f32; the same bytes are two large bf16 values.
    for at in (end - 64..end).step_by(4) {
        bytes[at..at + 4].copy_from_slice(&[0x00, 0x42, 0xb0, 0x42]);
    }
    std::fs::write(path, bytes).unwrap();
}

/// A prompt file with rows of different length.
fn prompt_file(dir: &Path, rows: usize) -> PathBuf {
    let words = ["What", "is", "the", "capital", "of", "the", "island", "and", "who", "built", "the", "bridges?"];
    let row = |i: usize| {
        format!(
            "{}\n",
            serde_json::json!({"id": format!("q{i}"), "prompt": words[..2 + (i * 5) % 10].join(" ") + &i.to_string()})
        )
    };
    let path = dir.join("prompts.jsonl");
    std::fs::write(&path, (0..rows).map(row).collect::<String>()).unwrap();
    path
}
