//! The objectives that train a defence: `a2d-eos`, `vrpo`, `recovery`.

use crate::at_hand::at_hand;
use crate::{command, fixture, line, mosa, read_json, words};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: [&str; 3] = ["a2d-eos", "vrpo", "recovery"];

/// What is trained on, and room for runs.
pub(crate) struct Room {
    pub(crate) dir: tempfile::TempDir,
    model: PathBuf,
}

impl Room {
    pub(crate) fn new(model: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let row = |i: usize| json!({"id": format!("q{i}"), "prompt": format!("ask {i}"), "response": "so it is", "chosen": "no"});
        let rows = |n: usize| (0..n).map(|i| row(i).to_string() + "\n").collect::<String>();
        fs::write(dir.path().join("harmful.jsonl"), rows(5)).unwrap();
        fs::write(dir.path().join("retain.jsonl"), rows(4).replace("ask", "tell")).unwrap();
        fs::write(dir.path().join("safe.txt"), "no\nnot so\n").unwrap();
        // A model of random weights says nothing a real judge could tell apart: an answer with a digit or a letter by itself
        // is taken for a refusal, and any text for language.
        let signs: String = ('a'..='z').chain('0'..='9').flat_map(|c| [c, '\n']).collect();
        fs::write(dir.path().join("signs.txt"), signs).unwrap();
        let judge = format!(
            "[settings]\nkeyword_list = {{ file = {:?} }}\n[gate]\nmax_special_share = 1.0\nmin_distinct3 = 0.0\nstutter_from = 1000\n\
             min_compression = 0.0\nmax_compression = 100.0\nmax_non_alphabetic = 1.0\nmin_characters = 0\n",
            dir.path().join("signs.txt")
        );
        fs::write(dir.path().join("judge.toml"), judge).unwrap();
        Self { dir, model: model.to_owned() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An alignment as words; `more` is appended.
    pub(crate) fn words(&self, objective: &str, out: &str, more: &str) -> Vec<String> {
        let own = match objective {
            "recovery" => {
                " --judge-config {d}/judge.toml --set recovery.group=3 --set recovery.t_max=9 --set recovery.temperature=2"
            }
            "vrpo" => " --set vrpo.draws=3",
            _ => "",
        };
        let text = format!(
            "align --objective {objective} --model {{m}} --prompts {{d}}/harmful.jsonl --retain {{d}}/retain.jsonl --safe-sentences \
             {{d}}/safe.txt --out {{d}}/{out} --set canvas_length=24 --set window=[2,20] --set lora.r=4 --set lr=0.01 --set batch_size=2 \
             --set retain.batch_size=2 --quiet{own}{more}"
        );
        words(&text.replace("{d}/", &format!("{}/", self.dir.path().display())), &[("m", &self.model)])
    }

    pub(crate) fn metrics(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(out).join("metrics.jsonl")).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    pub(crate) fn adapter(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join("adapter/adapter_model.safetensors")).unwrap()
    }
}

/// What a step says of itself, without what a clock or the system says.
pub(crate) fn said(metrics: &[Value]) -> Vec<Value> {
    let strip = |m: &Value| {
        let mut m = m.clone();
        for key in ["seconds", "tokens_per_s", "peak_mb", "device_mb"] {
            m.as_object_mut().unwrap().remove(key);
        }
        m
    };
    metrics.iter().map(strip).collect()
}

/// All three on a model, with an adapter that moves and metrics of their own.
fn trains(model: &Path, flags: &str) {
    let room = Room::new(model);
    for (name, keys) in [
        ("a2d-eos", &["loss_own", "loss_retain"][..]),
        ("vrpo", &["margin", "margin_positive", "elbo_chosen", "elbo_rejected", "gain_chosen", "kl_retain"]),
        (
            "recovery",
            &["rollout_reward", "rollout_spread", "t_inter", "rollout_tokens", "rollout_forwards", "kl_retain"],
        ),
    ] {
        mosa(&room.words(name, name, &format!(" --set steps=6{flags}"))).ok();
        let steps = room.metrics(name);
        assert_eq!(steps.len(), 6);
        for key in keys {
            assert!(steps.iter().any(|m| m[key].is_number()), "{name}: {key}");
        }
        assert!(steps.iter().any(|m| m["grad_norm"].as_f64().unwrap() > 0.0), "{name}");
        if name == "recovery" {
            assert!(
                steps.iter().any(|m| m["rollout_spread"].as_f64().unwrap() > 0.0),
                "some answers are better than others"
            );
            assert_eq!(steps.iter().map(|m| m["t_inter"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 3, 4, 6, 7]);
            let manifest = read_json(&room.path("recovery/manifest.json"));
            assert!(manifest["reward"]["judges"][0]["judge"].as_str().unwrap().starts_with("keyword"));
            assert_eq!(manifest["sampler"]["gen_length"], 24);
        }
    }
}

#[test]
fn every_defence_is_trained_on_models_that_see_all_and_that_write_in_blocks() {
    trains(&fixture("llada"), "");
    trains(&fixture("sdar"), " --set canvas=teacher");
}

#[test]
fn every_defence_is_trained_on_the_parity_checkpoints_where_they_are_at_hand() {
    for (name, flags) in [("parity/llada", ""), ("parity/sdar", ""), ("parity/dream", "")] {
        if let Some(model) = at_hand(name) {
            trains(&model, flags);
        }
    }
}

#[test]
fn a_defence_that_is_killed_again_and_again_ends_in_the_same_adapter() {
    let room = Room::new(&fixture("llada"));
    for name in NAMES {
        let more = " --set steps=9 --set save_every=2";
        let (whole, killed) = (format!("{name}-whole"), format!("{name}-killed"));
        mosa(&room.words(name, &whole, more)).ok();
        for steps in [1, 4, 7] {
            let mut child = command(&room.words(name, &killed, more)).spawn().unwrap();
            while room.metrics(&killed).len() < steps && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!room.path(&killed).join("adapter").exists(), "{name} was killed before its end");
        }
        mosa(&room.words(name, &killed, more)).ok();
        assert_eq!(room.adapter(&killed), room.adapter(&whole), "{name}");
        assert_eq!(said(&room.metrics(&killed)), said(&room.metrics(&whole)), "{name}");
        assert_eq!(room.metrics(&whole).len(), 9);
    }
}

#[test]
fn safe_answers_come_from_a_column_of_the_same_file() {
    let room = Room::new(&fixture("mmada"));
    let harmful = room.path("harmful.jsonl");
    let flags = format!(" --set steps=2 --safe-answers {} --safe-columns response=chosen", harmful.display());
    mosa(&room.words("vrpo", "own", &flags)).ok();
    mosa(&room.words("vrpo", "drawn", " --set steps=2")).ok();
    assert_ne!(room.adapter("own"), room.adapter("drawn"));
    let manifest = read_json(&room.path("own/manifest.json"));
    assert!(manifest["safe_answers"]["sha256"].is_string());
    let few = room.path("few.jsonl");
    fs::write(&few, "{\"id\": \"q0\", \"prompt\": \"ask 0\", \"response\": \"no\"}\n").unwrap();
    let run = mosa(&room.words("vrpo", "few", &format!(" --set steps=2 --safe-answers {}", few.display())));
    assert!(run.code == 2 && run.stderr.contains("4 of 5 prompts: q1, q2, q3, q4"), "{}", run.stderr);
}

#[test]
fn what_an_objective_cannot_use_is_refused_before_the_first_step() {
    let room = Room::new(&fixture("llada"));
    let endpoint = " --judge rubric --judge-endpoint http://127.0.0.1:9/v1 --judge-model x";
    for (objective, flags, expected) in [
        ("mosa", " --judge exact", "are the reward of --objective recovery"),
        ("sft", " --safe-answers {d}/harmful.jsonl", "--safe-answers is for --objective a2d-eos and vrpo"),
        ("recovery", endpoint, "needs --judge-cache"),
        ("recovery", " --set recovery.t_max=24", "recovery.t_max"),
        ("recovery", " --set recovery.temperature=0", "recovery.temperature"),
        ("recovery", " --set recovery.block_length=7", "block-length"),
        ("vrpo", " --set vrpo.betta=1", "betta"),
        ("a2d-eos", " --set a2d.eps=2", "a2d.eps"),
    ] {
        let flags = flags.replace("{d}", &room.dir.path().display().to_string());
        let run = mosa(&room.words(objective, "run", &flags));
        assert!(run.code == 2 && run.stderr.contains(expected), "{objective}{flags}: {} {}", run.code, run.stderr);
        assert!(!room.path("run").exists(), "{flags} left a run folder");
    }
    let mut alone = room.words("a2d-eos", "run", "");
    let at = alone.iter().position(|w| w == "--retain").unwrap();
    alone.drain(at..at + 2);
    let run = mosa(&alone);
    assert!(run.code == 2 && run.stderr.contains("--retain"), "{}", run.stderr);
}

#[test]
fn a_run_whose_manifest_is_older_than_the_new_settings_goes_on() {
    let room = Room::new(&fixture("llada"));
    let request = room.words("sft", "run", " --set steps=2");
    mosa(&request).ok();
    let path = room.path("run/manifest.json");
    let mut manifest = read_json(&path);
    for key in ["a2d", "vrpo", "recovery"] {
        assert!(manifest["settings"].as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    fs::write(&path, manifest.to_string()).unwrap();
    mosa(&request).ok();
    let mut other = request.clone();
    other.extend(["--set".to_owned(), "vrpo.beta=0.5".to_owned()]);
    let run = mosa(&other);
    assert!(run.code == 2 && run.stderr.contains("vrpo.beta was 0.2, is 0.5"), "{}", run.stderr);
}

#[test]
fn the_objectives_are_listed_with_their_papers() {
    let all = line("list objectives --json", &[]).ok().json();
    let named = |name: &str| all.iter().find(|e| e["name"] == name).unwrap()["source"].as_str().unwrap().to_owned();
    for (name, paper) in NAMES.into_iter().zip(["2509.23286", "2505.19223", "2510.00565"]) {
        assert!(named(name).contains(paper), "{name}");
    }
}
