//! The command line said once: help, lists, completions, manual pages, and flags that mean the same on every verb.

use crate::{fixture, line, mosa, read_json};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const VERBS: [&str; 18] = [
    "generate",
    "align",
    "inspect",
    "verify",
    "merge",
    "bench",
    "doctor",
    "probe",
    "attack",
    "judge",
    "report",
    "data",
    "world",
    "quickstart",
    "reproduce",
    "list",
    "completions",
    "man",
];

fn names(what: &str) -> Vec<String> {
    let entries = line(&format!("list {what} --json"), &[]).ok().json();
    for entry in &entries {
        for key in ["name", "about", "source"] {
            assert!(entry[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {entry}");
        }
    }
    entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

fn world_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model")
}

#[test]
fn help_lists_every_verb_in_a_group() {
    for help in [mosa(&["--help"]), mosa(&["help"])] {
        let help = help.ok().stdout;
        for group in ["Use:", "Measure:", "Train:", "Data:", "Maintain:", "Options:"] {
            assert!(help.lines().any(|line| line == group), "{group} in {help}");
        }
        for verb in VERBS {
            assert!(help.lines().any(|line| line.starts_with(&format!("  {verb} "))), "{verb} in {help}");
        }
        assert!(!help.contains('\u{1b}') && !help.contains('{'), "{help}");
    }
}

#[test]
fn lists_name_what_flags_take() {
    let judges = names("judges");
    let refused = mosa(&["judge", "run", "--judge", "nobody"]);
    assert_eq!(refused.code, 2);
    assert!(judges.iter().all(|judge| refused.stderr.contains(judge.as_str())), "{}", refused.stderr);
    let refused = line("attack nothing --prompts x --out y --model z", &[]);
    let attacks = names("attacks");
    assert_eq!(refused.code, 2);
    assert!(attacks.len() > 20 && attacks.iter().all(|attack| refused.stderr.contains(attack.as_str())));
    let older = mosa(&["attack", "list"]).ok().stdout;
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    assert_eq!(older.lines().skip(1).filter_map(first).collect::<Vec<_>>(), attacks);
    assert_eq!(names("objectives"), ["mosa", "initial", "sft", "a2d-eos", "vrpo", "recovery"]);
    let defences = mosa(&["defence", "list"]).ok().stdout;
    assert_eq!(defences.lines().skip(1).filter_map(first).collect::<Vec<_>>(), names("defences"));
    let help = mosa(&["probe", "--help"]).ok().stdout;
    assert!(names("probes").iter().all(|probe| help.contains(&format!("  {probe} "))), "{help}");
    let table = mosa(&["list", "commits"]).ok().stdout;
    assert!(names("commits").iter().all(|commit| table.contains(commit.as_str())), "{table}");
}

#[test]
fn an_enum_says_its_values_and_refuses_others() {
    for (verb, flag, values) in [
        ("generate --model x --prompt y", "--remasking", "low_confidence random margin entropy left_to_right"),
        ("generate --model x --prompt y", "--alg", "origin maskgit_plus topk_margin entropy"),
        ("generate --model x --prompt y", "--sampler", "auto blocks timesteps"),
        ("generate --model x --prompt y", "--cache", "none prefix dual"),
        ("generate --model x --prompt y", "--batching", "auto rows padded"),
        ("generate --model x --prompt y", "--device", "auto cpu cuda mps"),
        ("generate --model x --prompt y", "--dtype", "auto f32 bf16"),
        ("generate --model x --prompt y", "--weights", "stored int8"),
        ("generate --model x --prompt y", "--pairing", "keep repair"),
        ("generate --model x --prompt y", "--subsets", "standard contextual copyright"),
        ("align --model x --prompts y --out z", "--objective", "mosa initial sft"),
        ("judge x", "--judge", "exact keyword replay rubric strongreject"),
        ("attack tap", "--profile", "paper standard smoke"),
        ("attack tap", "--helper", "world target"),
        ("data export x --format jsonl --out y", "--attack-type", "white_box black_box transfer manual"),
    ] {
        let refused = line(&format!("{verb} {flag} nonsense"), &[]);
        assert_eq!(refused.code, 2, "{verb} {flag}");
        let verbs: Vec<&str> = verb.split(' ').take_while(|word| !word.starts_with('-')).collect();
        let command = if verbs[0] == "data" { &verbs[..2] } else { &verbs[..1] };
        let help = mosa(&[command, &["--help"][..]].concat()).ok().stdout;
        for value in values.split(' ') {
            assert!(refused.stderr.contains(value), "{flag}: {value} is not in {}", refused.stderr);
            assert!(help.contains(value), "{flag}: {value} is not in {help}");
        }
        assert!(refused.stderr.contains(flag) && refused.stderr.contains("nonsense"), "{}", refused.stderr);
    }
}

#[test]
fn completions_of_every_shell_know_every_verb() {
    let mut seen = BTreeSet::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = mosa(&["completions", shell]).ok().stdout;
        for verb in VERBS {
            assert!(script.contains(verb), "{verb} is not in the completions of {shell}");
        }
        for flag in ["remasking", "batch-size", "judge-endpoint"] {
            assert!(script.contains(flag), "--{flag} is not in the completions of {shell}");
        }
        assert!(seen.insert(script), "{shell} has completions of its own");
    }
    assert_eq!(mosa(&["completions", "tcsh"]).code, 2);
}

/// The flags that the help of a command lists.
fn flags(command: &[&str]) -> Vec<String> {
    let help = mosa(&[command, &["--help"]].concat()).ok().stdout;
    let shown = help.lines().filter_map(|line| line.trim_start().split("--").nth(1).map(|rest| (line, rest)));
    let own = shown.filter(|(line, _)| line.trim_start().starts_with('-'));
    own.filter_map(|(_, rest)| rest.split([' ', ',']).next().map(str::to_owned)).collect()
}

#[test]
fn manual_pages_have_their_sections_and_every_flag_of_a_verb() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man");
    let written = line("man {o}", &[("o", &out)]).ok().stdout;
    for verb in VERBS {
        assert!(out.join(format!("mosa-{verb}.1")).exists(), "{verb}: {written}");
    }
    let page = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    for (name, command) in [
        ("mosa.1", &[][..]),
        ("mosa-generate.1", &["generate"]),
        ("mosa-attack.1", &["attack"]),
        ("mosa-probe-order.1", &["probe", "order"]),
        ("mosa-world-measure.1", &["world", "measure"]),
    ] {
        let page = page(name);
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(part), "{part} is not in {name}");
        }
        let flags = flags(command);
        assert!(flags.iter().any(|flag| flag == "help"), "{flags:?}");
        for flag in flags {
            let written = flag.replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{written}")), "--{flag} is not in {name}");
        }
    }
    // The pages are mosa's own, so they are replaced; a page that somebody changed is not.
    line("man {o}", &[("o", &out)]).ok();
    std::fs::write(out.join("mosa.1"), "mine").unwrap();
    assert_eq!(line("man {o}", &[("o", &out)]).code, 2);
    assert_eq!(page("mosa.1"), "mine");
    let all = mosa(&["man"]).ok().stdout;
    assert!(VERBS.iter().all(|verb| all.contains(&format!(".TH mosa-{verb} "))));
}

#[test]
fn earlier_spellings_go_on_in_a_folder_that_was_begun_with_the_ones_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.jsonl");
    std::fs::write(&file, "{\"id\": \"a\", \"prompt\": \"hello\"}\n").unwrap();
    let (model, out) = (fixture("llada"), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("f", file.as_path()), ("o", out.as_path())];
    let probe = |flag: &str| {
        let typed = "probe order --model {m} --out {o} --gen-length 24 --steps 4 --threads 1 --quiet";
        line(&format!("{typed} {flag} {{f}}"), &paths).ok();
        std::fs::read(out.join("orders.jsonl")).unwrap()
    };
    let first = probe("--prompts");
    assert_eq!((probe("--behaviors"), probe("--data")), (first.clone(), first));
}

#[test]
fn auto_is_rows_on_the_cpu() {
    let answer = |batching: &str| {
        let typed = format!("generate --model {{m}} --prompt hello --gen-length 24 --json --device cpu{batching}");
        line(&typed, &[("m", &fixture("llada"))]).ok().stdout
    };
    assert_eq!(answer(""), answer(" --batching rows"));
    assert_eq!(answer(""), answer(" --batching auto"));
}

/// The settings that a measurement of the world wrote down.
fn settings(flags: &str, out: &Path) -> Value {
    let typed = format!("world measure --model {{m}} --out {{o}} --cells attack/plain --quiet --threads 1 {flags}");
    line(&typed, &[("m", &world_model()), ("o", out)]).ok();
    read_json(&out.join("manifest.json"))["settings"].clone()
}

#[test]
fn a_measurement_takes_the_flags_of_the_sampler_and_writes_down_those_that_are_not_usual() {
    let dir = tempfile::tempdir().unwrap();
    let usual = settings("--n 1 --seed 3", &dir.path().join("usual"));
    let expected = serde_json::json!({"n": 1, "seed": 3, "steps": 96, "block_length": 32, "threshold": null,
        "cells": ["attack/plain"]});
    assert_eq!(usual, expected);
    let further = settings("--sample 1 --threshold 0.9 --temperature 0.5", &dir.path().join("further"));
    assert_eq!((&further["threshold"], &further["temperature"]), (&serde_json::json!(0.9), &serde_json::json!(0.5)));
    assert!(further.get("batching").is_none() && further.get("cache").is_none(), "{further}");
}

#[test]
fn a_seed_is_one_flag_for_alignments_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.jsonl");
    std::fs::write(&file, "{\"id\": \"a\", \"prompt\": \"hello\"}\n").unwrap();
    let model = fixture("llada");
    let align = |flags: &str, name: &str| {
        let out = dir.path().join(name);
        let paths = [("m", model.as_path()), ("f", file.as_path()), ("o", out.as_path())];
        let small = "--set steps=1 --set canvas_length=64 --set batch_size=1 --set lora.r=2 --threads 1 --quiet";
        line(&format!("align --model {{m}} --prompts {{f}} --out {{o}} {small}{flags}"), &paths).ok();
        let manifest = read_json(&out.join("manifest.json"));
        (manifest["settings"]["seed"].clone(), std::fs::read(out.join("adapter/adapter_model.safetensors")).unwrap())
    };
    let (flag, setting) = (align(" --seed 7", "flag"), align(" --set seed=7", "setting"));
    assert_eq!(flag, setting);
    assert_eq!(flag.0, 7);
    assert_ne!(flag.1, align("", "usual").1);
}
