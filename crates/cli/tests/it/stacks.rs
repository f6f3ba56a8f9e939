//! Stacks of defences that rewrite, act inside, draw and look at answers: killed anywhere, and in batches of any size,
//! they leave the same bytes.

use crate::{command, mosa, prompt_file};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// One of each kind; the last one's words are in a file.
const STACK: [&str; 4] = ["self-reminder", "diffuguard:threshold=0", "best-of-n:n=2,judge=keyword", "guard:words={w}"];

fn world_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model")
}

/// A command line on the embedded model, behind the stack; the guard's words are in `dir`.
fn typed(dir: &Path, text: &str, paths: &[(&str, &Path)]) -> Vec<String> {
    let (model, file) = (world_model(), dir.join("guarded.txt"));
    fs::write(&file, "honey\nvenom\n").unwrap();
    let stack: String = STACK.iter().map(|defence| format!(" --defence {defence}")).collect();
    let flags = "--gen-length 64 --block-length 32 --threshold 0.9 --threads 1 --quiet";
    crate::words(&format!("{text} {flags}{stack}"), &[paths, &[("m", model.as_path()), ("w", file.as_path())]].concat())
}

fn world() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    crate::line("world data --out {d}", &[("d", dir.path())]).ok();
    let file = dir.path().join("harmbench/harmbench_behaviors_text_all.csv");
    (dir, file)
}

/// The lines of a file that may not be there yet.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Starts a command and kills it as soon as a file has so many lines.
fn killed(words: &[String], file: &Path, at: usize) {
    let mut child = command(words).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline && child.try_wait().unwrap().is_none() && lines(file) < at {
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    child.wait().unwrap();
}

fn same(one: &Path, other: &Path, files: &[&str]) {
    for file in files {
        let bytes = |out: &Path| fs::read_to_string(out.join(file)).unwrap();
        assert!(!bytes(one).is_empty() && bytes(one) == bytes(other), "{file} of {}", one.display());
    }
}

const RECORDS: [&str; 3] = ["cases.jsonl", "answers.jsonl", "verdicts.jsonl"];

#[test]
fn an_attack_on_a_stack_is_killed_and_goes_on_to_the_same_bytes_in_batches_of_any_size() {
    let (dir, behaviours) = world();
    for attack in ["anchoring", "tap"] {
        let run_in = |out: &Path, more: &str| {
            let text = format!(
                "attack {attack} --model {{m}} --behaviors {{b}} --out {{o}} --profile smoke --helper world --judge exact --limit 3 {more}"
            );
            typed(dir.path(), text.trim_end(), &[("b", &behaviours), ("o", out)])
        };
        let folder = |name: &str| dir.path().join(format!("{attack}-{name}"));
        let (whole, cut, alone) = (folder("whole"), folder("cut"), folder("alone"));
        mosa(&run_in(&whole, "")).ok();
        let calls = lines(&whole.join("journal.jsonl"));
        for at in [1, calls / 2, calls - 1] {
            killed(&run_in(&cut, ""), &cut.join("journal.jsonl"), at);
        }
        mosa(&run_in(&cut, "")).ok();
        same(&whole, &cut, &RECORDS);
        mosa(&run_in(&alone, "--batch-size 1 --cases 1")).ok();
        same(&whole, &alone, &RECORDS);
        let answers = fs::read_to_string(whole.join("answers.jsonl")).unwrap();
        assert!(answers.contains("\"defences\""), "{answers}");
    }
}

#[test]
fn a_probe_of_a_stack_is_killed_and_goes_on_to_the_same_bytes_in_batches_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let behaviours = prompt_file(dir.path(), 6);
    let phrases = dir.path().join("phrases.txt");
    fs::write(&phrases, "here is how\nthe next step\n").unwrap();
    let run_in = |out: &Path, size: usize| {
        let text = format!(
            "probe prefill --model {{m}} --behaviors {{b}} --out {{o}} --offsets 0,20 --affirmative {{p}} --procedural {{p}} --batch-size {size}"
        );
        typed(dir.path(), &text, &[("b", &behaviours), ("o", out), ("p", &phrases)])
    };
    let folder = |name: &str| dir.path().join(name);
    let (whole, cut, alone) = (folder("whole"), folder("cut"), folder("alone"));
    mosa(&run_in(&whole, 4)).ok();
    for at in [1, 5, 9] {
        killed(&run_in(&cut, 4), &cut.join("answers.jsonl"), at);
    }
    mosa(&run_in(&cut, 4)).ok();
    same(&whole, &cut, &["answers.jsonl"]);
    mosa(&run_in(&alone, 1)).ok();
    same(&whole, &alone, &["answers.jsonl"]);
}

#[test]
fn what_a_stack_answers_does_not_depend_on_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let prompts = prompt_file(dir.path(), 6);
    let with = |size: usize| {
        let text = format!("generate --model {{m}} --prompts {{p}} --json --temperature 0.5 --batch-size {size}");
        mosa(&typed(dir.path(), &text, &[("p", &prompts)])).ok().stdout
    };
    let one = with(1);
    assert_eq!(one.lines().count(), 6);
    assert_eq!(one, with(4));
    assert_eq!(one, with(4), "the same command again");
}
