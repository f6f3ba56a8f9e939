//! Text from files and models on a terminal.

use crate::{Run, command, fixture, line};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::FromRawFd;
use std::path::Path;

/// Sets a title, clears the screen, hides what follows.
const ATTACK: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}8m\u{202e}";
const SHOWN: &str = "\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{9b}8m\\u{202e}";

/// A new pseudo terminal: our end and the program's.
fn terminal() -> (File, File) {
    let (mut ours, mut its) = (-1, -1);
    let size = libc::winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both places are valid for a write, the size for a read; a null name and null settings are allowed. The two
    // descriptors are new, and owned by nobody else.
    #[allow(unsafe_code)]
    unsafe {
        assert_eq!(libc::openpty(&mut ours, &mut its, std::ptr::null_mut(), std::ptr::null_mut(), &size), 0);
        (File::from_raw_fd(ours), File::from_raw_fd(its))
    }
}

/// Runs a command on a terminal; everything that came to the terminal, as it came.
fn on_terminal<S: AsRef<OsStr>>(args: &[S]) -> String {
    let (mut ours, its) = terminal();
    let mut started = command(args);
    // Whoever runs the tests may be on no terminal; the program is on one.
    started.env("TERM", "xterm").stdin(std::process::Stdio::null()).stdout(its.try_clone().unwrap()).stderr(its);
    let mut child = started.spawn().unwrap();
    // The command holds the program's end open, and the end of reading is that nobody does.
    drop(started);
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while let Ok(n @ 1..) = ours.read(&mut part) {
        seen.extend_from_slice(&part[..n]);
    }
    child.wait().unwrap();
    String::from_utf8(seen).unwrap()
}

/// Nothing of the attack reached the terminal as it was, and all of it can be read there.
fn is_shown(seen: &str) {
    for raw in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{9b}", "\u{202e}"] {
        assert!(!seen.contains(raw), "{raw:?} in {seen:?}");
    }
    assert!(seen.contains(SHOWN), "{seen:?}");
}

fn texts<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[test]
fn an_answer_is_shown_on_a_terminal_and_is_data_elsewhere() {
    let model = fixture("llada").display().to_string();
    let forced = format!("0:{ATTACK}");
    let args = texts(["generate", "--model", &model, "--prompt", "hi", "--gen-length", "64", "--force", &forced]);
    is_shown(&on_terminal(&args));
    let piped = Run::from(command(&args).output().unwrap()).ok();
    assert!(piped.stdout.contains(ATTACK), "{:?}", piped.stdout);
    let json = on_terminal(&[args.as_slice(), &texts(["--json", "--quiet"])].concat());
    assert!(!json.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{json:?}");
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(record["text"].as_str().unwrap().contains(ATTACK));
}

#[test]
fn ids_are_shown_beside_answers_and_in_progress_bars() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("prompts.jsonl");
    let row = |id: String| format!("{}\n", serde_json::json!({"id": id, "prompt": "say it"}));
    fs::write(&file, row(format!("{ATTACK}1")) + &row(format!("{}2", "long".repeat(2000)))).unwrap();
    let (model, file) = (fixture("llada").display().to_string(), file.display().to_string());
    let args = texts(["generate", "--model", &model, "--prompts", &file, "--gen-length", "8"]);
    is_shown(&on_terminal(&args));
    let out = dir.path().join("run").display().to_string();
    let args =
        texts(["probe", "order", "--model", &model, "--behaviors", &file, "--gen-length", "96", "--batch-size", "1"]);
    let bar = on_terminal(&[args, texts(["--out", &out])].concat());
    is_shown(&bar);
    assert!(!bar.contains(&"long".repeat(20)), "a long id is cut: {bar:?}");
}

#[test]
fn tables_show_ids_and_keep_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.jsonl");
    let row = |id: &str| format!("{}\n", serde_json::json!({"id": id, "prompt": "say it twice"}));
    fs::write(&file, row(&format!("a\n{ATTACK}")) + &row(&"b".repeat(5000))).unwrap();
    let seen = on_terminal(&texts(["data", "check", &file.display().to_string()]));
    is_shown(&seen);
    let duplicates = seen.lines().find(|l| l.starts_with("exact duplicates")).unwrap();
    assert!(duplicates.contains("a\\n") && duplicates.chars().count() < 450 && duplicates.trim().ends_with('…'));
}

#[test]
fn an_error_shows_what_it_quotes_even_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("{ATTACK}.jsonl"));
    let run = line("data check {f}", &[("f", Path::new(&file))]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    is_shown(&run.stderr);
    let wrong = on_terminal(&texts(["data", "check", "x", &format!("--near-words={ATTACK}")]));
    assert!(wrong.contains("\\u{202e}") && !wrong.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{wrong:?}");
}
