//! Who writes into a folder: one command at a time.

use super::{Attacked, QUICKSTART, put, refused, words, world_model};
use crate::{Run, command, fixture, line, mosa, prompt_file};
use mosa_records::{LOCK, Lock};
use std::fs;
#[test]
fn fresh_does_not_remove_what_another_command_is_writing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("qs");
    put(&out, "manifest.json", QUICKSTART);
    put(&out, "mosa-seed0/manifest.json", "{}");
    let lock = Lock::take(&out.join("mosa-seed0"), "align").unwrap();
    refused(&line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &out)]), &["mosa-seed0", "another command"]);
    assert!(out.join("manifest.json").exists());
    drop(lock);
    let lock = Lock::take(&out, "quickstart").unwrap();
    let pid = format!("process {}", std::process::id());
    refused(&line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &out)]), &[&pid, "qs"]);
    assert!(out.join("mosa-seed0/manifest.json").exists());
    drop(lock);
}

#[test]
fn every_command_that_writes_into_a_run_folder_is_refused_while_another_does_and_report_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (fixture("llada"), prompt_file(dir.path(), 3));
    let (phrases, out) = (dir.path().join("phrases.txt"), dir.path().join("run"));
    fs::write(&phrases, "ab cd\n").unwrap();
    line("world data --out {d}", &[("d", &dir.path().join("world"))]).ok();
    let csv = dir.path().join("world/harmbench/harmbench_behaviors_text_all.csv");
    let (world, artifact, asked) = (world_model(), dir.path().join("a.jsonl"), dir.path().join("asked"));
    let paths = [
        ("m", model.as_path()),
        ("w", world.as_path()),
        ("d", data.as_path()),
        ("p", phrases.as_path()),
        ("c", csv.as_path()),
        ("a", artifact.as_path()),
        ("x", asked.as_path()),
        ("o", out.as_path()),
    ];
    line("attack direct --model {w} --behaviors {c} --out {x} --limit 1 --gen-length 96 --quiet", &paths).ok();
    line("data export {x} --format jsonl --out {a}", &paths).ok();
    fs::create_dir(&out).unwrap();
    let lock = Lock::take(&out, "attack tap").unwrap();
    let pid = format!("process {} (mosa attack tap)", std::process::id());
    for text in [
        "probe prefill --model {m} --behaviors {d} --out {o} --gen-length 24 --steps 8 --quiet --affirmative {p} --procedural {p} --offsets 0",
        "probe order --model {m} --behaviors {d} --benign {d} --out {o} --gen-length 24 --steps 8 --quiet",
        "attack direct --model {w} --behaviors {c} --out {o} --limit 1 --gen-length 96 --quiet",
        "data import {a} --format jsonl --benchmark {c} --out {o}",
        "align --model {m} --data {d} --out {o} --set canvas_length=64 --set lora.r=4 --set steps=2 --quiet",
        "world measure --model {w} --out {o} --n 1 --quiet",
        "world train --out {o} --set steps=1 --quiet",
        "quickstart --out {o} --n 1 --quiet",
    ] {
        refused(&mosa(&words(text, &paths)), &[&pid, &out.display().to_string()]);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "{text}");
    }
    drop(lock);
    let probe = "probe prefill --model {m} --behaviors {d} --out {o} --gen-length 24 --steps 8 --quiet --affirmative {p} --procedural {p} --offsets 0";
    line(probe, &paths).ok();
    let lock = Lock::take(&out, "attack tap").unwrap();
    refused(&line("judge {o} --judge keyword --quiet", &paths), &[&pid, &out.display().to_string()]);
    line(&format!("report {{o}} --out {}", dir.path().join("page.html").display()), &paths).ok();
    drop(lock);
    line("judge {o} --judge keyword --quiet", &paths).ok();
    // What a killed process left in the lock file is no lock.
    fs::write(out.join(LOCK), "process 1 (mosa attack tap)\n").unwrap();
    line(probe, &paths).ok();
}

#[test]
fn five_commands_at_once_write_every_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (fixture("llada"), prompt_file(dir.path(), 30), dir.path().join("run"));
    let phrases = dir.path().join("phrases.txt");
    fs::write(&phrases, "ab cd\n").unwrap();
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("p", phrases.as_path()), ("o", out.as_path())];
    let text = "probe steer --model {m} --behaviors {d} --out {o} --gen-length 24 --steps 8 --batch-size 1 --quiet --threads 1 --positions 3 --phrases {p}";
    let start = || command(&words(text, &paths)).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..5).map(|_| start()).collect();
    let runs: Vec<Run> = children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    assert!(runs.iter().any(|run| run.code == 0), "one of them works");
    for run in runs.iter().filter(|run| run.code != 0) {
        refused(run, &["another command writes into this folder", &out.display().to_string()]);
    }
    let whole = fs::read(out.join("answers.jsonl")).unwrap();
    line(text, &paths).ok();
    assert_eq!(fs::read(out.join("answers.jsonl")).unwrap(), whole);
    let lines: Vec<&[u8]> = whole.split(|&b| b == b'\n').filter(|l| !l.is_empty()).collect();
    let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
    assert_eq!(lines.len(), distinct.len());
}

#[test]
fn a_second_command_is_refused_with_the_process_of_the_first_and_a_kill_leaves_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (fixture("llada"), prompt_file(dir.path(), 400), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path())];
    let text = "probe order --model {m} --behaviors {d} --out {o} --gen-length 192 --batch-size 1 --quiet --threads 1";
    let mut child = command(&words(text, &paths)).stdout(std::process::Stdio::null()).spawn().unwrap();
    let begun = || fs::read_to_string(out.join("orders.jsonl")).is_ok_and(|text| text.contains('\n'));
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "ended before it wrote anything");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let process = format!("process {} (mosa probe order)", child.id());
    refused(&line(text, &paths), &[&process, &out.display().to_string()]);
    refused(&line("judge {o} --judge keyword", &paths), &["answers.jsonl"]);
    assert!(Lock::is_held(&out));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Lock::is_held(&out));
    let other = text.replace("--gen-length 192", "--gen-length 96");
    refused(&line(&other, &paths), &["sampler.gen_length was 192, is 96"]);
    assert!(!Lock::is_held(&out), "a command that was refused holds nothing either");
}

#[test]
fn a_folder_that_two_commands_spoiled_can_be_read_judged_and_resumed() {
    let attacked = Attacked::new("speak-easy", "");
    let (run, page) = (attacked.path("run"), attacked.path("page.html"));
    let table = attacked.run(&run).ok().stdout;
    for name in ["answers.jsonl", "cases.jsonl", "verdicts.jsonl", "seconds.jsonl", "journal.jsonl"] {
        let text = fs::read_to_string(run.join(name)).unwrap();
        // The times of two commands differ.
        let again = if name == "seconds.jsonl" { text.replace("\"seconds\":", "\"seconds\":1") } else { text.clone() };
        fs::write(run.join(name), text + &again).unwrap();
    }
    let paths = [("r", run.as_path()), ("p", page.as_path())];
    let drawn = line("report {r} --out {p}", &paths).ok();
    assert!(drawn.stderr.contains("cases.jsonl: 2 lines repeat a record"), "{}", drawn.stderr);
    assert!(fs::read_to_string(&page).unwrap().contains("lines repeat a record"), "the page warns too");
    let judged = line("judge {r} --judge exact --quiet", &paths).ok();
    assert!(judged.stderr.contains("verdicts.jsonl"), "{}", judged.stderr);
    let again = attacked.run(&run).ok();
    assert_eq!(again.stdout, table, "the same numbers");
    // Records that differ are not chosen among.
    let cases = fs::read_to_string(run.join("cases.jsonl")).unwrap();
    let other = cases.lines().next().unwrap().replace("\"queries\":", "\"queries\":7");
    fs::write(run.join("cases.jsonl"), format!("{cases}{other}\n")).unwrap();
    refused(&line("report {r} --out {p}", &paths), &["cases.jsonl", "lines 1 and 5"]);
}
