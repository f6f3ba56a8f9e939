//! Nothing of a user's is lost: what is removed and overwritten, who writes into a folder, what a kill or a crash leaves.

use crate::{Run, command, copy_all, fixture, line, mosa, prompt_file, read_json};
use mosa_records::{LOCK, Lock};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn world_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model")
}

/// The words of a command line, `{name}` replaced by the path of that name.
fn words(text: &str, paths: &[(&str, &Path)]) -> Vec<String> {
    let fill = |word: &str| {
        paths.iter().fold(word.to_owned(), |w, (name, path)| w.replace(&format!("{{{name}}}"), &path.to_string_lossy()))
    };
    text.split(' ').map(fill).collect()
}

/// An attack of two behaviours of the embedded world, one at a time.
struct Attacked {
    dir: tempfile::TempDir,
    name: &'static str,
    flags: &'static str,
}

impl Attacked {
    fn new(name: &'static str, flags: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        line("world data --out {d}", &[("d", dir.path())]).ok();
        Self { dir, name, flags }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn words(&self, out: &Path) -> Vec<String> {
        let (model, file) = (world_model(), self.path("harmbench/harmbench_behaviors_text_all.csv"));
        let (name, flags) = (self.name, self.flags);
        let text = format!(
            "attack {name} --model {{m}} --behaviors {{b}} --out {{o}} --profile smoke --gen-length 96 --threshold 0.9 --helper world --judge exact --quiet --threads 1 --limit 2 --cases 1{flags}"
        );
        words(&text, &[("m", &model), ("b", &file), ("o", out)])
    }

    fn run(&self, out: &Path) -> Run {
        mosa(&self.words(out))
    }
}

/// The files of a folder that do not depend on the time.
fn records(run: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let names = ["answers.jsonl", "cases.jsonl", "verdicts.jsonl", "journal.jsonl"];
    names.into_iter().map(|name| (name, fs::read(run.join(name)).unwrap_or_default())).collect()
}

fn count(path: &Path) -> usize {
    fs::read(path).unwrap().split(|&b| b == b'\n').filter(|l| !l.is_empty()).count()
}

/// Everything below a folder, with its content.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(everything(&path));
        } else {
            let content = fs::read(&path).unwrap_or_default();
            all.insert(path, content);
        }
    }
    all
}

fn put(dir: &Path, name: &str, content: &str) {
    fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
    fs::write(dir.join(name), content).unwrap();
}

/// Refused with exit code 2, naming these.
fn refused(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, 2, "{} {}", run.stdout, run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} not in {}", run.stderr);
    }
}

const QUICKSTART: &str = r#"{"schema": "run/1", "command": "quickstart", "settings": {"n": 1}}"#;

#[test]
fn fresh_removes_no_folder_but_a_run_of_the_quickstart() {
    for (files, named) in [
        (&[("thesis.tex", "years of work")][..], "no manifest.json"),
        (&[("photos/cat.png", "x")], "no manifest.json"),
        (&[("manifest.json", r#"{"name": "my web app"}"#), ("index.html", "x")], "another command"),
        (&[("manifest.json", r#"{"schema": "run/1", "command": "attack tap"}"#), ("cases.jsonl", "")], "attack tap"),
        (&[("manifest.json", r#"{"schema": "run/1", "objective": "mosa"}"#), ("metrics.jsonl", "")], "mosa"),
        (&[("manifest.json", "")], "manifest.json"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("work");
        files.iter().for_each(|(name, content)| put(&out, name, content));
        let before = everything(&out);
        let run = line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &out)]);
        refused(&run, &[named, "work"]);
        assert_eq!(everything(&out), before, "{named}");
    }
}

#[test]
fn fresh_refuses_a_run_that_holds_anything_of_the_users_and_names_it() {
    for foreign in [
        "notes.md",
        "report.html",
        "data/mine.csv",
        "data/mmlu/test/mine_test.csv",
        "model/adapter.safetensors",
        "probes/order/notes.md",
        "attacks/mosa/tap/paper.pdf",
        "mosa-seed0/adapter/README.md",
        "mosa-seed0/checkpoint-000050/notes.md",
        "mosa-seed0/checkpoint-best/model.safetensors",
        "mosa-seed0/events.out.tfevents.17.desktop",
        "other-seed0/manifest.json",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("qs");
        put(&out, "manifest.json", QUICKSTART);
        put(&out, "probes/order/orders.jsonl", "");
        put(&out, "mosa-seed0/checkpoint-000050/trainer_state.json", "{}");
        put(&out, foreign, "mine");
        let before = everything(&out);
        let run = line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &out)]);
        refused(&run, &[&out.join(foreign).display().to_string(), "nothing was removed"]);
        assert_eq!(everything(&out), before, "{foreign}");
    }
}

#[cfg(unix)]
#[test]
fn fresh_follows_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let (out, far) = (dir.path().join("qs"), dir.path().join("far"));
    put(&out, "manifest.json", QUICKSTART);
    put(&far, "orders.jsonl", "mine");
    fs::create_dir(out.join("probes")).unwrap();
    std::os::unix::fs::symlink(&far, out.join("probes/order")).unwrap();
    refused(&line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &out)]), &["probes/order"]);
    fs::remove_file(out.join("probes/order")).unwrap();
    std::os::unix::fs::symlink(&out, dir.path().join("link")).unwrap();
    refused(
        &line("quickstart --fresh --quiet --n 1 --out {o}", &[("o", &dir.path().join("link"))]),
        &["symbolic link"],
    );
    assert_eq!(fs::read_to_string(far.join("orders.jsonl")).unwrap(), "mine");
    assert!(out.join("manifest.json").exists());
}

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

#[test]
fn answers_that_are_lost_are_made_again_from_the_journal_and_no_verdict_is_lost() {
    let attacked = Attacked::new("speak-easy", "");
    let (whole, page) = (attacked.path("whole"), attacked.path("page.html"));
    attacked.run(&whole).ok();
    line("judge {r} --judge keyword --quiet", &[("r", &whole)]).ok();
    let expected = records(&whole);
    let answers = &expected["answers.jsonl"];
    let first = answers.iter().position(|&b| b == b'\n').unwrap() + 1;
    for (name, kept) in
        [("gone", None), ("empty", Some(0)), ("shortened", Some(first)), ("torn", Some(answers.len() - 30))]
    {
        let run = attacked.path(name);
        copy_all(&whole, &run);
        match kept {
            Some(end) => fs::write(run.join("answers.jsonl"), &answers[..end]).unwrap(),
            None => fs::remove_file(run.join("answers.jsonl")).unwrap(),
        }
        let export = page.with_extension("jsonl");
        let paths = [("r", run.as_path()), ("p", page.as_path()), ("e", export.as_path())];
        refused(&line("judge {r} --judge exact --quiet", &paths), &["answers.jsonl lacks", "makes them again"]);
        refused(&line("data export {r} --format jsonl --out {e}", &paths), &["answers.jsonl lacks"]);
        let drawn = line("report {r} --out {p}", &paths).ok();
        assert!(drawn.stderr.contains("answers.jsonl lacks"), "{name}: {}", drawn.stderr);
        assert_eq!(records(&run)["verdicts.jsonl"], expected["verdicts.jsonl"], "{name}");
        let again = attacked.run(&run).ok();
        assert!(again.stderr.contains("made again from the journal, without a call"), "{name}: {}", again.stderr);
        assert_eq!(records(&run), expected, "{name}");
    }
    // Where the journal is gone as well, the target is asked again, and verdicts on what it said then are not kept unsaid.
    let run = attacked.path("both");
    copy_all(&whole, &run);
    fs::write(run.join("answers.jsonl"), "").unwrap();
    fs::write(run.join("journal.jsonl"), "").unwrap();
    let again = attacked.run(&run).ok();
    let n = count(&whole.join("verdicts.jsonl"));
    assert!(again.stderr.contains(&format!("{n} verdicts removed")), "{}", again.stderr);
    assert_eq!(records(&run)["answers.jsonl"], expected["answers.jsonl"]);
}

#[test]
fn a_last_line_that_ends_inside_a_character_blocks_nothing() {
    let attacked = Attacked::new("direct", "");
    let (run, page) = (attacked.path("run"), attacked.path("page.html"));
    attacked.run(&run).ok();
    let expected = records(&run);
    let names = ["answers.jsonl", "cases.jsonl", "verdicts.jsonl", "journal.jsonl", "seconds.jsonl"];
    for tail in [&b"{\"schema\":\"x\",\"text\":\"na\xc3"[..], b"{\"text\":\"\xf0\x9f\xa7", &[0; 64], b"\xff"] {
        let spoil = || {
            for name in names {
                let bytes = fs::read(run.join(name)).unwrap();
                fs::write(run.join(name), [&bytes, tail].concat()).unwrap();
            }
        };
        let paths = [("r", run.as_path()), ("p", page.as_path())];
        spoil();
        line("report {r} --out {p}", &paths).ok();
        line("judge {r} --judge exact --quiet", &paths).ok();
        attacked.run(&run).ok();
        assert_eq!(records(&run), expected);
    }
}

#[test]
fn attacks_that_read_numbers_go_on_to_the_same_bytes_from_every_part_of_their_journal() {
    for (name, flags) in [
        ("pal", " --proxy {m} --set max_steps=2"),
        ("ral", " --proxy {m} --set max_steps=2"),
        ("adv-prefix-optimised", ""),
    ] {
        let flags: &'static str =
            Box::leak(flags.replace("{m}", &world_model().display().to_string()).into_boxed_str());
        let attacked = Attacked::new(name, flags);
        let whole = attacked.path("whole");
        attacked.run(&whole).ok();
        let expected = records(&whole);
        let lines: Vec<&[u8]> = expected["journal.jsonl"].split_inclusive(|&b| b == b'\n').collect();
        for kept in [lines.len() / 2, lines.len() - 1] {
            let run = attacked.path(&format!("cut-{kept}"));
            fs::create_dir(&run).unwrap();
            fs::copy(whole.join("manifest.json"), run.join("manifest.json")).unwrap();
            let half = &lines[kept][..lines[kept].len() / 2];
            fs::write(run.join("journal.jsonl"), [&lines[..kept].concat(), half].concat()).unwrap();
            attacked.run(&run).ok();
            assert_eq!(records(&run), expected, "{name}, killed after {kept} of {} calls", lines.len());
        }
    }
}

#[test]
fn a_folder_with_only_the_beginning_of_a_manifest_goes_on() {
    let attacked = Attacked::new("direct", "");
    for (name, content) in [("manifest.json.partial", "{\n  \"schema\""), ("manifest.json.mosa-99999-0.partial", "")] {
        let run = attacked.path(&name.replace('.', "-"));
        put(&run, name, content);
        attacked.run(&run).ok();
        assert!(!run.join(name).exists());
    }
    let run = attacked.path("zeroed");
    attacked.run(&run).ok();
    fs::write(run.join("manifest.json"), [0; 500]).unwrap();
    refused(&attacked.run(&run), &["manifest.json", "put a copy of the manifest back"]);
    refused(&line("report {r} --out {r}/x.html", &[("r", &run)]), &["manifest.json"]);
}

#[test]
fn seconds_that_are_lost_are_said() {
    let attacked = Attacked::new("direct", "");
    let (run, page) = (attacked.path("run"), attacked.path("page.html"));
    attacked.run(&run).ok();
    let text = fs::read_to_string(run.join("seconds.jsonl")).unwrap();
    fs::write(run.join("seconds.jsonl"), format!("{}\n", text.lines().next().unwrap())).unwrap();
    let drawn = line("report {r} --out {p}", &[("r", &run), ("p", &page)]).ok();
    assert!(drawn.stderr.contains("seconds.jsonl lacks 1 of 2"), "{}", drawn.stderr);
}

#[test]
fn a_page_replaces_a_page_and_nothing_else() {
    let attacked = Attacked::new("direct", "");
    let (run, page, tables) = (attacked.path("run"), attacked.path("page.html"), attacked.path("tables"));
    attacked.run(&run).ok();
    let paths = [("r", run.as_path()), ("p", page.as_path()), ("t", tables.as_path())];
    for own in ["<!doctype html>\n<title>My page</title>\n", "notes"] {
        fs::write(&page, own).unwrap();
        refused(&line("report {r} --out {p}", &paths), &["page.html", "--out"]);
        assert_eq!(fs::read_to_string(&page).unwrap(), own);
    }
    fs::remove_file(&page).unwrap();
    let written = line("report {r} --out {p} --tables {t}", &paths).ok();
    line("report {r} --out {p} --tables {t}", &paths).ok();
    // Other records, the same files.
    line("judge {r} --judge keyword --quiet", &paths).ok();
    line("report {r} --out {p} --tables {t}", &paths).ok();
    let table = PathBuf::from(written.stdout.lines().next().unwrap());
    fs::write(&table, "my own table").unwrap();
    refused(&line("report {r} --out {p} --tables {t}", &paths), &[&table.display().to_string(), "--tables"]);
    assert_eq!(fs::read_to_string(&table).unwrap(), "my own table");
    fs::write(&page, "").unwrap();
    line("report {r} --out {p}", &paths).ok();
}

#[test]
fn exports_replace_exports_that_nobody_changed() {
    let attacked = Attacked::new("direct", "");
    let (run, out) = (attacked.path("run"), attacked.path("out"));
    attacked.run(&run).ok();
    let paths = [("r", run.as_path()), ("o", out.as_path())];
    for (format, target, file) in [("jsonl", "/a.jsonl", "a.jsonl"), ("harmbench", "/stages", "stages/test_cases.json")]
    {
        let export = format!("data export {{r}} --format {format} --judge exact --out {{o}}{target}");
        put(&out, file, "[1, 2]");
        refused(&line(&export, &paths), &[file, "--out"]);
        assert_eq!(fs::read_to_string(out.join(file)).unwrap(), "[1, 2]");
        fs::remove_file(out.join(file)).unwrap();
        line(&export, &paths).ok();
        let first = fs::read(out.join(file)).unwrap();
        // Another export under the same name.
        line(&export.replace(" --judge exact", " --redact --judge exact"), &paths).ok();
        line(&export, &paths).ok();
        assert_eq!(fs::read(out.join(file)).unwrap(), first);
        fs::write(out.join(file), [&first[..], b" "].concat()).unwrap();
        refused(&line(&export.replace(" --judge exact", ""), &paths), &[file, "changed since"]);
    }
}

#[test]
fn a_trace_replaces_a_trace_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (model, trace) = (fixture("llada"), dir.path().join("trace.jsonl"));
    let paths = [("m", model.as_path()), ("t", trace.as_path())];
    let generate = "generate --model {m} --prompt hello --gen-length 16 --steps 8 --quiet --trace {t}";
    for own in ["{\"id\": \"q1\", \"prompt\": \"mine\"}\n", "{\"id\":\"q1\"", "notes\n"] {
        fs::write(&trace, own).unwrap();
        refused(&line(generate, &paths), &["trace.jsonl", "--trace"]);
        assert_eq!(fs::read_to_string(&trace).unwrap(), own);
    }
    fs::remove_file(&trace).unwrap();
    line(generate, &paths).ok();
    let whole = fs::read(&trace).unwrap();
    line(generate, &paths).ok();
    fs::write(&trace, &whole[..whole.len() - 20]).unwrap();
    line(generate, &paths).ok();
    assert_eq!(fs::read(&trace).unwrap(), whole);
}

#[test]
fn the_files_of_the_world_are_never_written_over_others() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("benchmarks");
    put(&out, "advbench/harmful_behaviors.csv", "goal,target\nthe real one,x\n");
    refused(&line("world data --out {o}", &[("o", &out)]), &["advbench/harmful_behaviors.csv", "name another folder"]);
    let text = fs::read_to_string(out.join("advbench/harmful_behaviors.csv")).unwrap();
    assert_eq!(text, "goal,target\nthe real one,x\n");
    fs::remove_file(out.join("advbench/harmful_behaviors.csv")).unwrap();
    line("world data --out {o}", &[("o", &out)]).ok();
    line("world data --out {o}", &[("o", &out)]).ok();
    let names: Vec<String> = mosa_world::benchmark::names();
    assert!(names.iter().all(|name| out.join(name).exists()), "{names:?}");
    assert_eq!(everything(&out).len(), names.len());
}

#[test]
fn a_merge_takes_no_folder_of_the_users_for_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("dream"), dir.path().join("model-v1.5"));
    let paths = [("m", model.as_path()), ("o", out.as_path())];
    let merge = "merge --model {m} --adapter {m}/adapter --out {o}";
    put(dir.path(), "model-v1.partial/weights.bin", "mine");
    put(dir.path(), "model-v1.5.partial/weights.bin", "mine");
    put(dir.path(), "model-v1.5.mosa-1-0.partial/notes.md", "mine");
    put(dir.path(), &format!("model-v1.5.mosa-2-0.partial/{LOCK}"), "process 2 (mosa merge)\n");
    put(dir.path(), "model-v1.5.mosa-2-0.partial/config.json", "{");
    line(merge, &paths).ok();
    for own in
        ["model-v1.partial/weights.bin", "model-v1.5.partial/weights.bin", "model-v1.5.mosa-1-0.partial/notes.md"]
    {
        assert_eq!(fs::read_to_string(dir.path().join(own)).unwrap(), "mine", "{own}");
    }
    assert!(!dir.path().join("model-v1.5.mosa-2-0.partial").exists(), "what a killed merge left is gone");
    assert!(!out.join(LOCK).exists() && out.join("config.json").exists());
    let before = everything(&out);
    refused(&line(merge, &paths), &["already exists"]);
    assert_eq!(everything(&out), before);
}

#[test]
fn a_cache_of_verdicts_does_not_write_into_the_verdicts_of_a_run() {
    let attacked = Attacked::new("direct", "");
    let run = attacked.path("run");
    attacked.run(&run).ok();
    let before = records(&run);
    let judge = "judge {r} --judge strongreject --judge-endpoint http://127.0.0.1:9/v1 --judge-model x --judge-cache {r} --quiet";
    refused(&line(judge, &[("r", &run)]), &["manifest.json belongs to a run", "--judge-cache"]);
    assert_eq!(records(&run), before);
}

/// An alignment of 12 steps with checkpoints at every second one.
fn aligned() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (fixture("llada"), prompt_file(dir.path(), 9), dir.path().join("run"));
    let text = "align --model {m} --data {d} --out {o} --set canvas_length=64 --set lora.r=4 --set lr=0.0030000000000000005 --set steps=12 --set save_every=2";
    let words = words(text, &[("m", &model), ("d", &data), ("o", &out)]);
    mosa(&words).ok();
    (dir, out, words)
}

#[test]
fn an_alignment_goes_on_from_the_checkpoint_before_one_that_a_crash_spoiled() {
    let (_dir, out, words) = aligned();
    let adapter = || fs::read(out.join("adapter/adapter_model.safetensors")).unwrap();
    let expected = adapter();
    let losses = || -> Vec<Value> {
        let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["loss"].clone()).collect()
    };
    let curve = losses();
    let mut last: Vec<PathBuf> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().path()).collect();
    last.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("checkpoint-"));
    last.sort();
    assert_eq!(last.last(), Some(&out.join("checkpoint-000012")));
    for name in ["adapter_model.safetensors", "optimizer.safetensors", "trainer_state.json"] {
        fs::remove_dir_all(out.join("adapter")).unwrap();
        let path = out.join("checkpoint-000012").join(name);
        fs::write(&path, vec![0; fs::metadata(&path).unwrap().len() as usize]).unwrap();
        let run = mosa(&words).ok();
        assert!(run.stderr.contains("checkpoint-000012") && run.stderr.contains("step 10"), "{}", run.stderr);
        assert_eq!(adapter(), expected, "{name}");
        assert_eq!(losses(), curve, "{name}");
    }
}

#[test]
fn what_a_crash_takes_from_a_finished_alignment_comes_back_or_is_said() {
    let (_dir, out, words) = aligned();
    let whole = everything(&out);
    let expected = |name: &str| whole[&out.join(name)].clone();
    for (name, said) in [
        ("metrics.jsonl", "12 of 12 steps were missing; 12 were put back"),
        ("config.toml", "already done"),
        ("adapter/adapter_model.safetensors", "written anew from the last checkpoint"),
        ("adapter/adapter_config.json", "written anew from the last checkpoint"),
    ] {
        for damaged in [Vec::new(), vec![0; 200]] {
            fs::write(out.join(name), damaged).unwrap();
            let run = mosa(&words).ok();
            assert!(run.stderr.contains(said), "{name}: {}", run.stderr);
            assert_eq!(fs::read(out.join(name)).unwrap(), expected(name), "{name}");
        }
    }
    // Settings in the user's own words stay; other settings are not written over.
    let own = format!("# what I tried first\n{}", String::from_utf8(expected("config.toml")).unwrap());
    fs::write(out.join("config.toml"), &own).unwrap();
    mosa(&words).ok();
    assert_eq!(fs::read_to_string(out.join("config.toml")).unwrap(), own);
    fs::write(out.join("config.toml"), "my notes").unwrap();
    refused(&mosa(&words), &["config.toml"]);
    assert_eq!(fs::read_to_string(out.join("config.toml")).unwrap(), "my notes");
    fs::remove_file(out.join("config.toml")).unwrap();
    // Weights that are readable but not those that were trained are not passed over.
    let adapter = out.join("adapter/adapter_model.safetensors");
    let mut bytes = expected("adapter/adapter_model.safetensors");
    let end = bytes.len();
    bytes[end - 64..].fill(0);
    fs::write(&adapter, bytes).unwrap();
    refused(&mosa(&words), &["adapter", "is not what training wrote"]);
    assert_eq!(read_json(&out.join("manifest.json"))["objective"], "mosa");
}
