//! What a kill or a crash leaves, and what comes back of it.

use super::{Attacked, count, everything, put, records, refused, words, world_model};
use crate::{copy_all, fixture, line, mosa, prompt_file, read_json};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
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
