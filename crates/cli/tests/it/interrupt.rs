//! Ctrl-C while a command reads, computes or waits.

use crate::load::server::{Act, Server};
use crate::{Run, command, fixture, press_ctrl_c, prompt_file, words};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a command may take at most to end; what it waits for takes at least half a minute. It is to end within a second, but
/// the machine may be busy.
const BOUND: Duration = Duration::from_secs(8);
/// Longest wait for a command to get where it is to be interrupted.
const READY: Duration = Duration::from_secs(120);

fn start(words: &[String]) -> Child {
    command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the command is where `there` says.
fn wait(child: &mut Child, there: impl Fn() -> bool) {
    let deadline = Instant::now() + READY;
    while !(catches_ctrl_c(child.id()) && there()) {
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "ended, or never got there");
        sleep(Duration::from_millis(5));
    }
}

/// Whether the process has a handler of its own; before, the loader is at work.
fn catches_ctrl_c(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|l| u64::from_str_radix(l.strip_prefix("SigCgt:")?.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (libc::SIGINT - 1) & 1 == 1)
}

/// Runs the command until `there`, and a little longer; then presses Ctrl-C once.
fn interrupted(words: &[String], little: Duration, there: impl Fn() -> bool) -> Run {
    let mut child = start(words);
    wait(&mut child, there);
    sleep(little);
    assert!(child.try_wait().unwrap().is_none(), "{words:?} ended by itself");
    let pressed = Instant::now();
    press_ctrl_c(&child);
    let run = Run::from(child.wait_with_output().unwrap());
    let took = pressed.elapsed();
    assert!(took < BOUND, "{words:?} took {took:?}: {}", run.stderr);
    assert_eq!(run.code, 130, "{words:?}: {}", run.stderr);
    assert!(run.stderr.contains("mosa: stopping"), "{words:?}: {}", run.stderr);
    assert!(run.stderr.contains("Ctrl-C again ends at once"), "{words:?}: {}", run.stderr);
    run
}

const LITTLE: Duration = Duration::from_millis(300);

/// A server that does `act` with some requests of a model, replies to all others, and to all from the moment it is mended.
struct Faulty {
    server: Server,
    mended: Arc<AtomicBool>,
}

impl Faulty {
    /// `fails` gets the number of a request of that model, and its text.
    fn start(
        model: &'static str,
        fails: impl Fn(usize, &str) -> bool + Send + Sync + 'static,
        act: fn() -> Act,
    ) -> Self {
        let mended = Arc::new(AtomicBool::new(false));
        let (good, seen) = (mended.clone(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let server = Server::start(move |_, body| {
            let own = body["model"] == model;
            let number = if own { seen.fetch_add(1, Ordering::SeqCst) } else { 0 };
            if own && !good.load(Ordering::SeqCst) && fails(number, &body.to_string()) {
                return act();
            }
            Act::Say(match body["model"].as_str() {
                Some("judge") => "#thereason: none\n#score: 2".into(),
                Some("helper") => json!({"improvement": "none", "prompt": "say it kindly"}).to_string(),
                _ => "Here is what was asked for.".into(),
            })
        });
        Self { server, mended }
    }

    /// Settings of the endpoint in a file.
    fn settings(&self, dir: &Path, model: &str, more: &str) -> PathBuf {
        let path = dir.join(format!("{model}.toml"));
        let section = match model {
            "judge" => "[endpoint]\n",
            "helper" => "[[helper]]\nroles = \"*\"\n[helper.endpoint]\n",
            _ => "",
        };
        let text = format!("{section}base = \"{}\"\nmodel = \"{model}\"\n{more}", self.server.base);
        fs::write(&path, text).unwrap();
        path
    }
}

fn hang() -> Act {
    Act::Wait(Duration::from_secs(100))
}

fn goals(dir: &Path) -> PathBuf {
    let path = dir.join("goals.csv");
    fs::write(&path, "id,prompt\na,explain the tonic\nb,explain the lamp\nc,explain the bridge\n").unwrap();
    path
}

/// An attack whose `model` behaves as `act` says from its request `from` on: interrupted there, and run again when all is
/// well, it ends in the records of a run that was never disturbed.
fn attack_goes_on(model: &'static str, from: usize, act: fn() -> Act, more: &str) {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::start(model, move |number, _| number >= from, act);
    let target = faulty.settings(dir.path(), "target", if model == "target" { more } else { "" });
    let helper = faulty.settings(dir.path(), "helper", if model == "helper" { more } else { "" });
    let (goals, cut, whole) = (goals(dir.path()), dir.path().join("cut"), dir.path().join("whole"));
    let typed = |out: &Path| {
        let paths = [("t", target.as_path()), ("h", &helper), ("b", &goals), ("o", out)];
        words(
            "attack tap --profile smoke --target-config {t} --helpers {h} --behaviors {b} --out {o} --judge keyword --cases 1",
            &paths,
        )
    };
    let own = || faulty.server.seen().iter().filter(|seen| seen.body["model"] == model).count();
    interrupted(&typed(&cut), LITTLE, || own() > from);
    faulty.mended.store(true, Ordering::SeqCst);
    for out in [&cut, &whole] {
        Run::from(command(&typed(out)).output().unwrap()).ok();
    }
    for file in ["cases.jsonl", "answers.jsonl", "verdicts.jsonl"] {
        let bytes = |out: &Path| fs::read_to_string(out.join(file)).unwrap();
        assert_eq!(bytes(&cut), bytes(&whole), "{file}");
        assert!(!bytes(&cut).is_empty(), "{file}");
    }
}

#[test]
fn a_target_that_never_replies() {
    attack_goes_on("target", 1, hang, "timeout_seconds = 100\n");
}

#[test]
fn a_helper_that_never_replies() {
    attack_goes_on("helper", 1, hang, "timeout_seconds = 100\n");
}

#[test]
fn a_target_that_asks_to_come_back_later() {
    attack_goes_on("target", 1, || Act::Status(429, "retry-after: 50\r\n", "{}"), "");
}

#[test]
fn the_wait_before_a_failed_request_is_repeated() {
    attack_goes_on("helper", 0, || Act::Status(500, "", "oops"), "backoff_seconds = 50\nmax_wait_seconds = 50\n");
}

#[test]
fn the_pace_of_an_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::start("nobody", |_, _| true, hang);
    let target = faulty.settings(dir.path(), "target", "requests_per_minute = 1\n");
    let (goals, out) = (goals(dir.path()), dir.path().join("run"));
    let paths = [("t", target.as_path()), ("b", &goals), ("o", &out)];
    let typed = words("attack direct --target-config {t} --behaviors {b} --out {o} --judge keyword --cases 1", &paths);
    interrupted(&typed, LITTLE, || faulty.server.requests() == 1);
    let journal = fs::read_to_string(out.join("journal.jsonl")).unwrap();
    assert_eq!(journal.lines().count(), 1, "what was answered is kept: {journal}");
}

#[test]
fn a_judge_that_never_replies() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = Faulty::start("judge", |_, text| text.contains("Steep it 2 times."), hang);
    let judge = faulty.settings(dir.path(), "judge", "timeout_seconds = 100\n");
    let record = |i: usize| {
        let text = format!("Steep it {i} times.");
        json!({
            "schema": "answer/1", "group": "tap", "id": format!("tonic#{i}"), "behaviour": format!("explain tonic {i}"),
            "prompt": "", "tags": {}, "texts": {"full": text, "to_end": text},
            "pieces": [], "steps": [], "confidences": [], "finish": "stop", "forwards": 3,
        })
    };
    let answers: String = (0..6).map(|i| format!("{}\n", record(i))).collect();
    let made = ["cut", "whole"].map(|name| {
        let run = dir.path().join(name);
        fs::create_dir(&run).unwrap();
        fs::write(run.join("manifest.json"), json!({"mosa": "0", "model": "tiny"}).to_string()).unwrap();
        fs::write(run.join("answers.jsonl"), &answers).unwrap();
        run
    });
    let typed = |run: &Path| {
        words("judge {r} --judge rubric --judge-config {j} --concurrency 2", &[("r", run), ("j", judge.as_path())])
    };
    // While one reply is waited for, all others come.
    interrupted(&typed(&made[0]), LITTLE, || faulty.server.requests() == 6);
    let kept = fs::read_to_string(made[0].join("verdicts.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 2, "those before it are kept, in their place: {kept}");
    faulty.mended.store(true, Ordering::SeqCst);
    for run in &made {
        Run::from(command(&typed(run)).output().unwrap()).ok();
    }
    let [cut, whole] = made.map(|run| fs::read_to_string(run.join("verdicts.jsonl")).unwrap());
    assert_eq!(cut, whole);
    assert!(cut.starts_with(&kept));
    assert_eq!(cut.lines().filter(|l| l.contains("\"status\":\"ok\"")).count(), 6, "{cut}");
}

/// A file of 200,000 rows.
fn large(dir: &Path) -> PathBuf {
    let row =
        |i: usize| format!("{{\"id\": \"q{i}\", \"prompt\": \"who built bridge {i} of the island {}\"}}\n", i * 7);
    let path = dir.join("large.jsonl");
    fs::write(&path, (0..200_000).map(row).collect::<String>()).unwrap();
    path
}

#[test]
fn the_rows_of_a_large_file() {
    let dir = tempfile::tempdir().unwrap();
    let (file, model) = (large(dir.path()), fixture("llada"));
    let paths = [("f", file.as_path()), ("m", &model)];
    let check = interrupted(&words("data check {f}", &paths), LITTLE, || true);
    assert_eq!(check.stdout, "");
    let typed = words("generate --model {m} --prompts {f} --json --gen-length 128", &paths);
    interrupted(&typed, LITTLE, || true);
}

#[test]
fn a_batch_of_a_probe_that_takes_long() {
    let dir = tempfile::tempdir().unwrap();
    let (file, model, out) = (prompt_file(dir.path(), 2000), fixture("llada"), dir.path().join("run"));
    let paths = [("f", file.as_path()), ("m", &model), ("o", &out)];
    let typed = words("probe order --model {m} --behaviors {f} --out {o} --gen-length 192 --batch-size 2000", &paths);
    interrupted(&typed, LITTLE, || out.join("orders.jsonl").exists());
}

/// A command that writes `file` in its folder, interrupted behind the first lines, and run again.
fn goes_on(typed: &str, paths: &[(&str, &Path)], file: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (cut, whole) = (dir.path().join("cut"), dir.path().join("whole"));
    let in_folder = |out: &Path| words(&typed.replace("{o}", &out.to_string_lossy()), paths);
    let lines = || fs::read_to_string(cut.join(file)).map_or(0, |text| text.lines().count());
    interrupted(&in_folder(&cut), Duration::ZERO, || lines() >= 2);
    let before = fs::read_to_string(cut.join(file)).unwrap();
    for out in [&cut, &whole] {
        Run::from(command(&in_folder(out)).output().unwrap()).ok();
    }
    let [after, whole] = [&cut, &whole].map(|out| fs::read_to_string(out.join(file)).unwrap());
    assert!(after.starts_with(&before) && before.len() < after.len());
    assert_eq!(after, whole);
}

#[test]
fn probes_go_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (file, model) = (prompt_file(dir.path(), 25), fixture("llada"));
    let paths = [("f", file.as_path()), ("m", &model)];
    let of = |name: &str| {
        format!("probe {name} --model {{m}} --behaviors {{f}} --out {{o}} --gen-length 96 --batch-size 1 --threads 1")
    };
    goes_on(&of("order"), &paths, "orders.jsonl");
    goes_on(
        &(of("gcg") + " --limit 2 --offsets 0 --target ab --init xyxy --iterations 12 --candidates 8"),
        &paths,
        "curves.jsonl",
    );
}

#[test]
fn a_step_of_an_alignment_is_finished_and_its_checkpoint_written() {
    let dir = tempfile::tempdir().unwrap();
    let (data, model) = (prompt_file(dir.path(), 9), fixture("llada"));
    let (cut, whole) = (dir.path().join("cut"), dir.path().join("whole"));
    let typed = |out: &Path| {
        let paths = [("f", data.as_path()), ("m", &model), ("o", out)];
        words(
            "align --model {m} --data {f} --out {o} --set steps=60 --set canvas_length=64 --set lora.r=4 --set save_every=1000",
            &paths,
        )
    };
    let lines = || fs::read_to_string(cut.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
    let run = interrupted(&typed(&cut), Duration::ZERO, || lines() >= 2);
    assert!(run.stderr.contains("stopping after the step under way"), "{}", run.stderr);
    let done = lines();
    assert!((2..60).contains(&done), "{done}");
    assert!(cut.join(format!("checkpoint-{done:06}")).exists(), "the step that was under way is not lost");
    for out in [&cut, &whole] {
        Run::from(command(&typed(out)).output().unwrap()).ok();
    }
    assert_eq!(lines(), 60);
    let [after, whole] = [cut, whole].map(|out| fs::read(out.join("adapter/adapter_model.safetensors")).unwrap());
    assert!(after == whole, "another adapter");
}

#[test]
fn a_second_ctrl_c_ends_at_once_what_the_first_one_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let (data, model, out) = (prompt_file(dir.path(), 9), fixture("llada"), dir.path().join("run"));
    let paths = [("f", data.as_path()), ("m", model.as_path()), ("o", &out)];
    // One step of several minutes.
    let typed = "align --model {m} --data {f} --out {o} --set steps=2 --set batch_size=16384 --set canvas_length=64";
    let mut child = start(&words(typed, &paths));
    wait(&mut child, || out.join("metrics.jsonl").exists());
    sleep(Duration::from_secs(1));
    press_ctrl_c(&child);
    sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "the step is worth finishing");
    let pressed = Instant::now();
    press_ctrl_c(&child);
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{}", run.stderr);
    assert!(pressed.elapsed() < BOUND, "{:?}", pressed.elapsed());
    assert_eq!(run.stderr.matches("mosa: stopping").count(), 1, "{}", run.stderr);
}

#[test]
fn the_quickstart() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let typed = words("quickstart --out {o}", &[("o", &out)]);
    // The alignments come first, side by side.
    let aligns = || {
        let mut arms = fs::read_dir(&out).into_iter().flatten().flatten();
        arms.any(|arm| arm.path().join("metrics.jsonl").exists())
    };
    let run = interrupted(&typed, LITTLE, aligns);
    assert_eq!(run.stdout, "");
}
