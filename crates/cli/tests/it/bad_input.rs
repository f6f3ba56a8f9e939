use crate::{copy, edit, fixture, line, mosa};
use serde_json::{Value, json};
use std::path::Path;

fn refused(model: &Path, flags: &str, expected: &[&str]) {
    let run = line(
        format!("generate --model {{m}} --prompt hello --gen-length 16 {flags}").trim_end(),
        &[("m", model), ("f", &fixture(""))],
    );
    assert_eq!(run.code, 2, "{flags}: {} {}", run.stdout, run.stderr);
    assert!(run.stdout.is_empty());
    for part in expected {
        assert!(run.stderr.contains(part), "{flags}: {:?} not in {}", part, run.stderr);
    }
    assert!(run.stderr.lines().count() <= 3, "one clear error: {}", run.stderr);
}

#[test]
fn sampling_flags_that_cannot_work_are_refused() {
    let llada = fixture("llada");
    for (flags, expected) in [
        ("--block-length 5", "block-length"),
        ("--block-length 4 --steps 6", "steps"),
        ("--force 15:apprentice-measures-flour", "offset 15"),
        ("--force 99:x", "response of 16 positions"),
        ("--force 1:ab --force 1:cd", "forced twice"),
        ("--cfg-scale 1 --cache prefix", "cfg-scale"),
        ("--threshold 2", "threshold"),
        ("--alg entropy", "--remasking"),
        ("--remasking random --threshold 0.9", "--remasking"),
        ("--top-p 0.9", "top-p"),
        ("--batch-size 0", "--batch-size"),
        ("--threads 0", "--threads"),
        ("--temperature -1", "temperature"),
        ("--prompts {f}/nothing.jsonl", "cannot be used with"),
        ("--device tpu", "cuda:N"),
        ("--adapter {f}/dream/adapter", "another model"),
        ("--adapter {f}/nowhere", "adapter_config.json"),
        ("--trace {f}/no/such/folder/t.jsonl", "cannot write"),
    ] {
        let run = line(
            &format!("generate --model {{m}} --prompt hello --gen-length 16 {flags}"),
            &[("m", &llada), ("f", &fixture(""))],
        );
        assert!(run.code == 2 && run.stderr.contains(expected), "{flags}: {} {}", run.code, run.stderr);
    }
    refused(&fixture("dream"), "--remasking random", &["--alg"]);
    refused(&fixture("dream"), "--cache dual", &["--sampler blocks"]);
    let long = "word ".repeat(400);
    let run = mosa(&["generate", "--model", llada.to_str().unwrap(), "--prompt", &long]);
    assert!(run.code == 2 && run.stderr.contains("context of 256"), "{}", run.stderr);
}

#[test]
fn a_device_that_is_not_there_is_refused_with_what_is_missing() {
    if Path::new("/dev/nvidia0").exists() {
        return; // This machine has one.
    }
    refused(&fixture("llada"), "--device cuda:0", &["--device cuda:0", "cannot be used"]);
}

#[test]
fn a_model_argument_that_names_nothing_says_what_was_expected() {
    for (model, expected) in
        [("/no/such/folder", "no such folder"), ("fixtures", "no such folder"), ("Cargo.toml", "config.json")]
    {
        let run = line("generate --model {m} --prompt x", &[("m", Path::new(model))]);
        assert!(run.code == 2 && run.stderr.contains(expected), "{model}: {}", run.stderr);
    }
}

#[test]
fn damaged_checkpoints_are_refused_with_file_and_key() {
    type Damage = (&'static str, fn(&Path), &'static [&'static str]);
    let cases: [Damage; 8] = [
        ("dream", |d| std::fs::remove_file(shard(d)).unwrap(), &["model-0000", "missing"]),
        ("dream", |d| truncate(&shard(d)), &["model-0000", "complete"]),
        (
            "dream",
            |d| std::fs::write(d.join("model.safetensors.index.json"), "{}").unwrap(),
            &["index.json", "weight_map"],
        ),
        ("llada", |d| edit(&d.join("config.json"), "architectures", json!(["Mystery"])), &["Mystery", "LLaDAModelLM"]),
        ("llada", |d| edit(&d.join("config.json"), "mask_token_id", Value::Null), &["config.json", "mask_token_id"]),
        ("llada", |d| edit(&d.join("config.json"), "mlp_hidden_size", json!(57)), &["ff_proj", "[57, 48]"]),
        ("llada", without_special_tokens, &["tokenizer_config.json", "tokenizer.json lacks it", "<|startoftext|>"]),
        (
            "llada",
            |d| edit(&d.join("tokenizer_config.json"), "chat_template", Value::Null),
            &["chat template", "chat_template.jinja", "<|eot_id|>"],
        ),
    ];
    for (name, damage, expected) in cases {
        let dir = copy(name);
        damage(dir.path());
        refused(dir.path(), "", expected);
    }
}

fn shard(dir: &Path) -> std::path::PathBuf {
    let shards = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    shards.filter(|p| p.to_string_lossy().contains("model-0000")).min().unwrap()
}

fn truncate(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
}

fn without_special_tokens(dir: &Path) {
    edit(&dir.join("tokenizer.json"), "added_tokens", json!([]));
}

#[test]
fn running_out_of_memory_has_an_exit_code_of_its_own() {
    let dir = copy("llada");
    let config = dir.path().join("config.json");
    // One attention matrix of this model is larger than any address space.
    for (key, value) in [
        ("d_model", json!(1 << 24)),
        ("n_heads", json!(1 << 18)),
        ("n_kv_heads", json!(1 << 18)),
        ("embedding_size", json!(4)),
        ("vocab_size", json!(4)),
        ("mask_token_id", json!(1)),
        ("eos_token_id", json!(2)),
        ("pad_token_id", json!(2)),
    ] {
        edit(&config, key, value);
    }
    let run = line("bench generate --config {c} --gen-length 4 --prompt-len 2", &[("c", &config)]);
    assert!(run.code == 3 && run.stderr.contains("memory"), "{} {}", run.code, run.stderr);
}
