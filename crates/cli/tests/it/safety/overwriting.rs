//! What is removed and overwritten: only what mosa made.

use super::{Attacked, QUICKSTART, everything, put, records, refused};
use crate::{fixture, line};
use mosa_records::LOCK;
use std::fs;
use std::path::PathBuf;
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
