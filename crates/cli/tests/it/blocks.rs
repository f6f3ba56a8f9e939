//! The whole chain on models that write in blocks, one command a link: align, probe, attack, judge, report; and utility.

use crate::at_hand::at_hand;
use crate::{fixture, line, prompt_file};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// A model, what it is asked, and room for runs.
struct Chain {
    dir: tempfile::TempDir,
    model: PathBuf,
}

impl Chain {
    fn new(model: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prompt_file(dir.path(), 4);
        fs::write(dir.path().join("phrases.txt"), "ab cd\nxy\n").unwrap();
        let answer = "so here you are, this is how it is done, and then there is one more thing to do after that";
        let row =
            |i: usize| json!({"id": format!("q{i}"), "prompt": format!("ask {i}"), "response": answer}).to_string();
        fs::write(dir.path().join("answers.jsonl"), (0..4).map(|i| row(i) + "\n").collect::<String>()).unwrap();
        Self { dir, model: model.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command line; `{m}` is the model, `{d}` the folder.
    fn run(&self, text: &str) -> crate::Run {
        let text = text.replace("{d}/", &format!("{}/", self.dir.path().display()));
        line(text.trim_end(), &[("m", &self.model)])
    }

    /// Trains an adapter for a few large steps; at first it changes nothing, and then its reward has to rise, where it has one.
    fn align(&self, out: &str, flags: &str) {
        let common = "--set canvas_length=96 --set window=[6,40] --set lora.r=4 --set lr=0.005 --set steps=6 --quiet";
        self.run(&format!("align --model {{m}} --data {{d}}/answers.jsonl --out {{d}}/{out} {common} {flags}")).ok();
        let steps = lines(&self.path(out).join("metrics.jsonl"));
        assert_eq!(steps.len(), 6, "{out}");
        if steps[0]["reward"].is_f64() {
            let gain = |m: &Value| m["reward"].as_f64().unwrap() - m["reward_reference"].as_f64().unwrap();
            let [first, kl] = [gain(&steps[0]), steps[0]["kl"].as_f64().unwrap()];
            assert!(first.abs() < 1e-4 && kl.abs() < 1e-4, "{out}: {first} {kl}");
            let best = steps.iter().map(gain).fold(f64::NEG_INFINITY, f64::max);
            assert!(best > 1.0, "{out}: {best}");
        }
    }

    /// A probe of the aligned model, and the records it writes.
    fn probe(&self, name: &str, flags: &str, file: &str) -> Vec<Value> {
        let common = "--model {m} --adapter {d}/align/adapter --behaviors {d}/prompts.jsonl --gen-length 22 --batch-size 2 --quiet --threads 1";
        self.run(&format!("probe {name} {common} --out {{d}}/{name} {flags}")).ok();
        lines(&self.path(name).join(file))
    }

    /// An attack on the aligned model whose cases are all judged.
    fn attack(&self, name: &str, flags: &str) -> Vec<Value> {
        let common = "--model {m} --adapter {d}/align/adapter --behaviors {d}/prompts.jsonl --limit 2 --gen-length 62 --profile smoke --judge keyword --quiet --threads 1";
        let out = format!("attack-{name}{}", flags.replace([' ', '/', '{', '}'], ""));
        let run = self.run(&format!("attack {name} {common} --out {{d}}/{out} {flags}")).ok();
        assert!(run.stdout.contains("keyword"), "{name}: {}", run.stdout);
        assert_eq!(lines(&self.path(&out).join("cases.jsonl")).len(), 2, "{name}");
        assert!(!lines(&self.path(&out).join("verdicts.jsonl")).is_empty(), "{name}");
        lines(&self.path(&out).join("answers.jsonl"))
    }

    fn report(&self, runs: &[&str]) -> String {
        let runs: Vec<String> = runs.iter().map(|run| format!("{{d}}/{run}")).collect();
        self.run(&format!("report {} --out {{d}}/report.html", runs.join(" "))).ok();
        fs::read_to_string(self.path("report.html")).unwrap()
    }
}

/// Everything that a checkpoint can be put through without other models.
fn whole(model: &Path) {
    let chain = Chain::new(model);
    chain.align("align", "--set end=eot");
    chain.align("teacher", "--set canvas=teacher --set pick=random");
    chain.align("initial", "--objective initial --set canvas=teacher");
    chain.align("sft", "--objective sft --set canvas=teacher");
    let recipe = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes/mosa-sdar-1.7b-teacher.toml");
    let text = "align --model {m} --data {d}/answers.jsonl --out {d}/recipe --set steps=1 --quiet --config";
    chain.run(&format!("{text} {}", recipe.display())).ok();
    let orders = chain.probe("order", "--benign {d}/prompts.jsonl", "orders.jsonl");
    for order in &orders {
        let shown = ["words", "ends"].map(|key| order[key].as_array().unwrap().clone()).concat();
        let most = shown.iter().flat_map(|step| step.as_array().unwrap()).filter_map(Value::as_u64).max();
        assert!(most.is_some_and(|at| at < 22), "{most:?}");
    }
    let flags = "--offsets 0,6,13 --affirmative {d}/phrases.txt --procedural {d}/phrases.txt --judge keyword";
    assert_eq!(chain.probe("prefill", flags, "answers.jsonl").len(), 12);
    let flags = "--safe-sentences {d}/phrases.txt --harmful-sentences {d}/phrases.txt --width 8";
    let landscapes = chain.probe("landscape", flags, "landscapes.jsonl");
    assert!(landscapes.iter().all(|l| l["refusal"].as_array().unwrap().len() == 22));
    chain.probe("steer", "--positions 1,3 --phrases {d}/phrases.txt", "answers.jsonl");
    let flags = "--offsets 0,5 --target ab --init xyxy --iterations 3 --candidates 4";
    for curve in chain.probe("gcg", flags, "curves.jsonl") {
        assert!(!curve.is_null());
    }
    for name in ["direct", "prefill", "pad", "anchoring", "traj-hijack", "post-context", "gcg", "pal"] {
        let answers = chain.attack(name, "");
        if matches!(name, "anchoring" | "traj-hijack" | "pad") {
            // What is written into blocks that are over is not left out of the exact cache.
            let anew = chain.attack(name, "--cache none");
            assert!(answers.iter().zip(&anew).all(|(a, b)| a["texts"] == b["texts"]), "{name}");
        }
    }
    chain.attack("pal", "--proxy {m}");
    chain.run("judge {d}/attack-direct --judge keyword --quiet").ok();
    let page = chain.report(&["order", "prefill", "landscape", "steer", "gcg", "attack-direct", "attack-pad"]);
    for part in ["Words forced", "Suffix search", "Order of writing", "Ordering a place", "Where sentences fit", "pad"]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_random_sdar_goes_through_the_whole_chain_one_command_a_link() {
    whole(&fixture("sdar"));
}

#[test]
fn the_sdar_of_the_parity_folders_goes_through_the_whole_chain_where_it_is_at_hand() {
    if let Some(model) = at_hand("parity/sdar") {
        whole(&model);
    }
}

#[test]
fn an_llada2_is_aligned_probed_attacked_and_reported() {
    let chain = Chain::new(&fixture("llada2-moe"));
    chain.align("align", "");
    chain.align("teacher", "--set canvas=teacher --set pick=random --set block_length=8");
    chain.probe("order", "--benign {d}/prompts.jsonl", "orders.jsonl");
    let flags = "--offsets 0,6 --affirmative {d}/phrases.txt --procedural {d}/phrases.txt --judge keyword";
    assert_eq!(chain.probe("prefill", flags, "answers.jsonl").len(), 8);
    chain.attack("traj-hijack", "");
    chain.attack("gcg", "");
    assert!(chain.report(&["order", "prefill", "attack-gcg"]).contains("Order of writing"));
}

#[test]
fn a_benchmark_is_answered_and_chosen_by_a_model_that_writes_in_blocks() {
    let (model, dir) = (fixture("sdar"), tempfile::tempdir().unwrap());
    let row = |i: usize| {
        let answer = format!("{i} and 2 are <<{i}+2={0}>>{0}.\n#### {0}", i + 2);
        json!({"question": format!("What are {i} and 2?"), "answer": answer}).to_string() + "\n"
    };
    fs::create_dir_all(dir.path().join("sums")).unwrap();
    fs::write(dir.path().join("sums/test.jsonl"), (0..3).map(row).collect::<String>()).unwrap();
    fs::write(dir.path().join("sums/train.jsonl"), (50..60).map(row).collect::<String>()).unwrap();
    let choice = |i: usize| format!("\"Which of {i}, in law?\",one,two,three,four,{}\n", ["A", "C"][i % 2]);
    for (folder, n) in [("test", 4), ("dev", 5)] {
        fs::create_dir_all(dir.path().join("choices").join(folder)).unwrap();
        let path = dir.path().join("choices").join(folder).join(format!("law_{folder}.csv"));
        fs::write(path, (0..n).map(choice).collect::<String>()).unwrap();
    }
    for (task, flags) in [
        ("gsm8k", "--data {d}/sums --limit 3 --shots 0 --gen-length 24"),
        ("mmlu", "--data {d}/choices --limit 3 --shots 0"),
    ] {
        let text = format!("utility {task} --protocol lm-eval --model {{m}} --out {{d}}/run-{task} --quiet {flags}");
        let text = text.replace("{d}/", &format!("{}/", dir.path().display()));
        line(&text, &[("m", &model)]).ok();
        assert_eq!(lines(&dir.path().join(format!("run-{task}/samples.jsonl"))).len(), 3, "{task}");
    }
}

#[test]
fn blocks_that_a_model_does_not_have_are_refused_before_the_run_has_a_folder() {
    let chain = Chain::new(&crate::fixture("llada"));
    for (flags, key) in [("--set canvas=teacher --set pick=random", "canvas"), ("--set block_length=4", "block_length")]
    {
        let run = chain.run(&format!("align --model {{m}} --data {{d}}/answers.jsonl --out {{d}}/refused {flags}"));
        assert!(run.code == 2 && run.stderr.contains(key) && run.stderr.contains("LLaDA"), "{}", run.stderr);
        assert!(!chain.path("refused").exists());
    }
}
