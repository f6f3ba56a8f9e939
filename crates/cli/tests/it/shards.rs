//! Runs in parts: shards, chunks of a shared folder with workers that are killed or stopped, and what is put together.

use crate::{Run, command, fixture, line, mosa, prompt_file, words};
use mosa_records::{Lock, RunFolder};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is compared of a run folder: the manifest and every record file but what takes time.
fn records(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let own = names.filter(|name| name == "manifest.json" || (name.ends_with(".jsonl") && name != "seconds.jsonl"));
    own.map(|name| (name.clone(), fs::read(run.join(&name)).unwrap())).collect()
}

/// A folder with a model, prompts, and runs of one command.
struct Bench {
    dir: tempfile::TempDir,
    command: String,
}

impl Bench {
    /// `command` may name the model of the fixtures `{m}`, the model of the world `{w}`, prompts `{p}` and phrases `{f}`.
    fn new(command: &str, prompts: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prompt_file(dir.path(), prompts);
        fs::write(dir.path().join("phrases.txt"), "ab cd\n").unwrap();
        Self { dir, command: command.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn words(&self, out: &str, more: &str) -> Vec<String> {
        let world = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model");
        let (model, prompts, phrases) = (fixture("llada"), self.path("prompts.jsonl"), self.path("phrases.txt"));
        let out = self.path(out);
        let paths = [("m", model.as_path()), ("w", &world), ("p", &prompts), ("f", &phrases), ("o", &out)];
        words(&format!("{} --quiet --threads 1 --out {{o}}{more}", self.command), &paths)
    }

    fn run(&self, out: &str, more: &str) -> Run {
        mosa(&self.words(out, more))
    }

    fn start(&self, out: &str, more: &str) -> Child {
        command(&self.words(out, more)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn merge(&self, parts: &[&str], out: &str) -> Run {
        let paths: Vec<String> = parts.iter().map(|part| self.path(part).display().to_string()).collect();
        let out = self.path(out).display().to_string();
        let words = ["records", "merge", "--quiet", "--out", &out];
        mosa(&words.into_iter().map(str::to_owned).chain(paths).collect::<Vec<_>>())
    }

    /// Three shards, put together, are the run in one piece.
    fn merges(&self) {
        measured(&self.run("whole", ""));
        for i in 1..=3 {
            measured(&self.run(&format!("part{i}"), &format!(" --shard {i}/3")));
        }
        self.merge(&["part2", "part3", "part1"], "merged").ok();
        assert_eq!(records(&self.path("merged")), records(&self.path("whole")), "{}", self.command);
        measured(&self.run("merged", ""));
        assert_eq!(records(&self.path("merged")), records(&self.path("whole")), "goes on as the run in one piece");
    }
}

/// All is recorded. The judge `exact` knows the behaviours of the world alone, and leaves others unassessed with code 1.
fn measured(run: &Run) {
    let unassessed = run.code == 1 && run.stderr.contains("no verdict of exact");
    assert!(run.code == 0 || unassessed, "{}", run.stderr);
}

const GENERATE: &str = "generate --model {m} --prompts {p} --gen-length 64 --steps 64 --batch-size 1";

fn refused(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, 2, "{} {}", run.stdout, run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} not in {}", run.stderr);
    }
}

/// Waits until a file has a line, while a command runs.
fn has_begun(child: &mut Child, file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !fs::read(file).is_ok_and(|bytes| bytes.contains(&b'\n')) {
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "ended, or never got there");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn shards_of_every_command_are_put_together_to_the_bytes_of_the_run_in_one_piece() {
    for text in [
        "generate --model {m} --prompts {p} --gen-length 16 --batch-size 2 --batching padded",
        "probe prefill --model {m} --prompts {p} --gen-length 24 --steps 8 --affirmative {f} --procedural {f} --offsets 0,8 --judge keyword,exact",
        "probe gcg --model {m} --prompts {p} --gen-length 16 --steps 4 --iterations 1 --candidates 2 --search-top-k 4 --offsets 0 --init !",
        "attack direct --model {w} --prompts {p} --gen-length 32 --threshold 0.9 --cases 1 --judge keyword",
    ] {
        Bench::new(text, 5).merges();
    }
}

#[test]
fn what_is_put_together_is_judged_and_drawn_like_the_run_in_one_piece() {
    let bench = Bench::new(GENERATE, 4);
    bench.run("a/run", "").ok();
    for i in 1..=2 {
        bench.run(&format!("part{i}"), &format!(" --shard {i}/2")).ok();
    }
    bench.merge(&["part1", "part2"], "b/run").ok();
    let [whole, merged] = ["a", "b"].map(|side| {
        let (run, page) = (bench.path(side).join("run"), bench.path(side).join("page.html"));
        line("judge {r} --judge keyword --quiet", &[("r", &run)]).ok();
        line("report {r} --out {p}", &[("r", &run), ("p", &page)]).ok();
        (records(&run), fs::read_to_string(page).unwrap())
    });
    assert!(whole == merged, "the same bytes");
    assert!(whole.0.contains_key("verdicts.jsonl") && whole.0.contains_key("answers.jsonl"));
}

#[test]
fn verdicts_in_parts_are_added_to_the_run_they_are_about() {
    let bench = Bench::new(GENERATE, 5);
    bench.run("whole", "").ok();
    bench.run("run", "").ok();
    bench.run("other", " --seed 7 --temperature 1").ok();
    let (whole, run) = (bench.path("whole"), bench.path("run"));
    measured(&line("judge {r} --judge keyword,exact --quiet", &[("r", &whole)]));
    for i in 1..=2 {
        let part = bench.path(&format!("judged{i}"));
        let judge = format!("judge {{r}} --judge keyword,exact --quiet --shard {i}/2 --out {{o}}");
        measured(&line(&judge, &[("r", &run), ("o", &part)]));
    }
    refused(&bench.merge(&["judged1", "judged2"], "other"), &["answers.jsonl", "hashes.answers", "--out"]);
    bench.merge(&["judged1", "judged2"], "run").ok();
    assert_eq!(records(&run), records(&whole));
    refused(&line("judge {r} --shard 1/2", &[("r", &run)]), &["--out is needed"]);
}

#[test]
fn workers_that_are_killed_are_followed_and_the_run_is_that_of_one_process() {
    let bench = Bench::new(GENERATE, 24);
    bench.run("whole", "").ok();
    let shared = " --join --chunk 8 --lease-seconds 600";
    for chunk in ["chunk-000001.g1", "chunk-000001.g2"] {
        let mut worker = bench.start("shared", shared);
        has_begun(&mut worker, &bench.path("shared").join(chunk).join("answers.jsonl"));
        // SIGKILL.
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    refused(&bench.merge(&["shared"], "merged"), &["3 of 3 chunks are not finished: 1, 2 (not begun), 3 (not begun)"]);
    let both = [bench.start("shared", shared), bench.start("shared", shared)];
    for worker in both {
        Run::from(worker.wait_with_output().unwrap()).ok();
    }
    bench.merge(&["shared"], "merged").ok();
    assert_eq!(records(&bench.path("merged")), records(&bench.path("whole")));
    assert!(bench.path("shared/chunk-000001.g3/done.json").exists(), "two were killed, the third finished");
    // Whoever comes when all is done does nothing.
    let late = bench.run("shared", shared).ok();
    assert_eq!(late.stdout, "");
}

#[test]
#[cfg(unix)]
fn a_worker_that_was_stopped_for_too_long_notices_before_it_writes() {
    let bench = Bench::new(GENERATE, 24);
    bench.run("whole", "").ok();
    let shared = " --join --chunk 24 --lease-seconds 1";
    let mut stopped = bench.start("shared", shared);
    let answers = bench.path("shared/chunk-000001.g1/answers.jsonl");
    has_begun(&mut stopped, &answers);
    signal(&stopped, libc::SIGSTOP);
    let before = fs::read(&answers).unwrap();
    bench.run("shared", shared).ok();
    signal(&stopped, libc::SIGCONT);
    let woken = Run::from(stopped.wait_with_output().unwrap()).ok();
    assert!(woken.stderr.contains("chunk-000001.g1: another worker has taken this chunk over"), "{}", woken.stderr);
    // A line that was under way when it was stopped may have been ended.
    let lines = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'\n').count();
    assert!(lines(&fs::read(&answers).unwrap()) <= lines(&before) + 1, "nothing more is written");
    bench.merge(&["shared"], "merged").ok();
    assert_eq!(records(&bench.path("merged")), records(&bench.path("whole")));
}

#[cfg(unix)]
fn signal(child: &Child, signal: i32) {
    // SAFETY: sends a signal to a child that a test started and has not waited for.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(child.id() as i32, signal) };
    assert_eq!(sent, 0);
}

#[test]
fn what_does_not_fit_together_is_one_clear_error() {
    let bench = Bench::new(GENERATE, 6);
    let shared = " --join --chunk 2";
    bench.run("shared", shared).ok();
    bench.run("part1", " --shard 1/2").ok();
    // The same shard twice at the same time.
    let lock = Lock::take(&bench.path("part1"), "generate").unwrap();
    refused(&bench.run("part1", " --shard 1/2"), &["part1", "another command writes"]);
    drop(lock);
    // Another shard, or none, in its folder; the flag that brings it back is said.
    refused(&bench.run("part1", " --shard 2/2"), &["shard.part was 1, is 2"]);
    refused(&bench.run("part1", ""), &["shard was", "give --shard 1/2"]);
    // Other settings, data, chunks, or no chunks at all in a shared folder.
    refused(&bench.run("shared", &format!("{shared} --seed 3")), &["sampler.seed was 0, is 3"]);
    refused(&bench.run("shared", " --join --chunk 3"), &["chunks.size was 2, is 3 (give --chunk 2)"]);
    refused(&bench.run("shared", ""), &["chunks was", "give --join --chunk 2"]);
    refused(&line("judge {r}", &[("r", &bench.path("shared"))]), &["mosa records merge"]);
    let own = fs::read_to_string(bench.path("shared/manifest.json")).unwrap();
    let binary = RunFolder::manifest(&bench.path("shared")).unwrap()["chunks"]["binary"].as_str().unwrap().to_owned();
    fs::write(bench.path("shared/manifest.json"), own.replace(&binary, "0123456789abcdef")).unwrap();
    refused(&bench.run("shared", shared), &["chunks.binary was \"0123456789abcdef\""]);
    fs::write(bench.path("shared/manifest.json"), own).unwrap();
    let prompts = fs::read_to_string(bench.path("prompts.jsonl")).unwrap();
    fs::write(bench.path("prompts.jsonl"), prompts.replace("What", "Who")).unwrap();
    refused(&bench.run("shared", shared), &["hashes.behaviors was"]);
    bench.run("part2", " --shard 2/2").ok();
    refused(&bench.merge(&["part1", "part2"], "merged"), &["parts of different runs", "hashes.behaviors was"]);
    refused(&bench.merge(&["part1"], "merged"), &["parts are missing: 2/2"]);
    // No folder, a file, more shards than cases.
    refused(&line("generate --model {m} --prompt x --join", &[("m", &fixture("llada"))]), &["--out is needed"]);
    refused(&bench.run("prompts.jsonl", shared), &["prompts.jsonl", "is a file"]);
    refused(&bench.run("part1of9", " --shard 1/9"), &["--shard 1/9: nothing is left for it of 6 cases"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_one_error_that_names_it() {
    let bench = Bench::new(GENERATE, 2);
    for more in [" --join", " --shard 1/2"] {
        let mut words = bench.words("x", more);
        let at = words.iter().position(|word| word == "--out").unwrap() + 1;
        words[at] = "/proc/self/run".into();
        refused(&mosa(&words), &["/proc/self/run"]);
    }
}
