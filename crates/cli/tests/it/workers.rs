//! Processes that carry out command lines for another one.

use crate::{Run, command, line, press_ctrl_c, words};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for anything; the machine may be busy.
const BOUND: Duration = Duration::from_secs(120);

#[test]
fn a_worker_carries_out_one_command_line_after_the_other_and_says_how_each_ended() {
    let requests = [
        json!(["mosa", "list", "attacks"]),
        json!(["mosa", "inspect", "nowhere-at-all"]),
        json!(["mosa", "list", "judges"]),
        json!(["mosa", "list", "--nonsense"]),
        json!(["mosa", "list", "judges"]),
    ];
    let mut worker = command(&["carry-out"]);
    let mut worker = worker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = worker.stdin.take().unwrap();
    requests.iter().for_each(|request| writeln!(input, "{request}").unwrap());
    drop(input);
    let run = Run::from(worker.wait_with_output().unwrap());
    let replies: Vec<(&str, Value)> = run
        .stdout
        .split_inclusive('\n')
        .fold((Vec::new(), 0), |(mut all, from), l| {
            let at = l.as_ptr() as usize - run.stdout.as_ptr() as usize;
            let Some(ended) = l.strip_prefix('\u{1e}') else { return (all, from) };
            all.push((&run.stdout[from..at], serde_json::from_str(ended).unwrap()));
            (all, at + l.len())
        })
        .0;
    let codes: Vec<&Value> = replies.iter().map(|(_, ended)| &ended["code"]).collect();
    assert_eq!(codes, [0, 2, 0, 2, 0], "{}", run.stdout);
    assert!(replies[0].0.contains("crescendo") && replies[2].0.contains("keyword"), "{}", run.stdout);
    assert_eq!(replies[2].0, replies[4].0);
    for (reply, what) in [(1, "nowhere-at-all"), (3, "--nonsense")] {
        assert!(replies[reply].1["error"].as_str().is_some_and(|error| error.contains(what)), "{:?}", replies[reply]);
    }
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// The processes that a process started.
fn children(id: u32) -> Vec<u32> {
    let of = |folder: fs::DirEntry| -> Option<u32> {
        let child: u32 = folder.file_name().to_str()?.parse().ok()?;
        (parent(child)? == id).then_some(child)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

/// The parent of a process that runs; none of one that is gone or only waits to be asked how it ended.
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    (words.next()? != "Z").then(|| words.next()?.parse().ok())?
}

fn wait_until(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !there() {
        assert!(Instant::now() < deadline, "{what}: never");
        sleep(Duration::from_millis(20));
    }
}

const QUICKSTART: &str =
    "quickstart --out {o} --arms mosa-plus --sample 1 --set steps=12 --set save_every=4 --set batch_size=2";

/// A quickstart whose two workers train.
fn training(out: &Path) -> (Child, Vec<u32>) {
    let mut quickstart = command(&words(&format!("{QUICKSTART} --threads 2"), &[("o", out)]));
    let quickstart = quickstart.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let logs: Vec<PathBuf> = ["mosa-plus", "mosa-sum"].map(|arm| out.join(format!("{arm}-seed0/metrics.jsonl"))).into();
    wait_until("two trainings", || logs.iter().all(|log| log.metadata().is_ok_and(|log| log.len() > 0)));
    let workers = children(quickstart.id());
    assert_eq!(workers.len(), 2);
    (quickstart, workers)
}

fn all_end(workers: &[u32]) {
    wait_until("the end of all workers", || workers.iter().all(|worker| parent(*worker).is_none()));
}

#[test]
fn the_workers_of_a_killed_quickstart_end_and_the_same_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("killed");
    let (mut quickstart, workers) = training(&out);
    quickstart.kill().unwrap();
    quickstart.wait().unwrap();
    all_end(&workers);
    let again = line(QUICKSTART, &[("o", &out)]).ok();
    let whole = dir.path().join("whole");
    let at_once = line(QUICKSTART, &[("o", &whole)]).ok();
    assert_eq!(again.stdout, at_once.stdout);
    assert!(!whole.join("initial-seed0").exists(), "an arm that nobody asked for");
    let page = fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("mosa quickstart --arms original,mosa-sum,mosa-plus --sample 1<"), "the command of the page");
    for file in ["mosa-plus-seed0/adapter/adapter_model.safetensors", "attacks/mosa-sum-seed0/pad/answers.jsonl"] {
        assert_eq!(fs::read(out.join(file)).unwrap(), fs::read(whole.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn ctrl_c_ends_a_quickstart_and_its_workers_and_a_killed_worker_is_an_error_that_names_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("stopped");
    let (quickstart, workers) = training(&out);
    press_ctrl_c(&quickstart);
    let run = Run::from(quickstart.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{}", run.stderr);
    assert_eq!(run.stderr.matches("mosa: ").count(), 2, "one word of each: {}", run.stderr);
    assert!(workers.iter().all(|worker| parent(*worker).is_none()), "it waits for its workers");

    let out = dir.path().join("shot");
    let (quickstart, workers) = training(&out);
    // SAFETY: sends a signal to a worker of a quickstart that runs and has not waited for it.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(workers[0] as i32, libc::SIGKILL) };
    assert_eq!(sent, 0);
    let run = Run::from(quickstart.wait_with_output().unwrap());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("a worker ended (signal: 9") && run.stderr.contains("$ mosa align"), "{}", run.stderr);
    all_end(&workers);
}
