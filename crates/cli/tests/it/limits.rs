//! Numbers that are too large or none, weights that hold none, and what does not fit into memory: an error with a name
//! and the right exit code, never an abort.

use crate::{Run, copy, edit, fixture, line, mosa, prompt_file, read_json};
use serde_json::{Value, json};
use std::path::Path;

/// Runs a command line, which must be refused with exit code 2 and a message that holds all of `parts`.
fn refused(text: &str, paths: &[(&str, &Path)], parts: &[&str]) {
    let run = line(text, paths);
    assert_eq!(run.code, 2, "{text}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{text}: {}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{text}: {part} is not in {}", run.stderr);
    }
}

#[test]
fn numbers_beyond_their_bounds_are_refused_with_flag_value_and_bound() {
    let attack = "attack tap --model x --behaviors y --out z";
    refused(&format!("{attack} --cases 10000"), &[], &["--cases", "10000 is not in 1..=1024"]);
    let gcg = "probe gcg --model x --behaviors y --out z";
    refused(&format!("{gcg} --candidates 1000000000"), &[], &["--candidates", "1000000000 is not in 1..=65536"]);
    let generate = "generate --model x --prompt y";
    refused(&format!("{generate} --temperature nan"), &[], &["--temperature", "nan", "is not in 0..=1000000"]);
}

#[test]
fn settings_beyond_their_bounds_are_refused_with_key_value_and_bound() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (fixture("llada"), prompt_file(dir.path(), 3), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path())];
    let align = "align --model {m} --data {d} --out {o} --set";
    for (key, value) in [
        ("lora.r", "1000000000"),
        ("batch_size", "1000000000"),
        ("micro_batch_size", "1000000000"),
        ("steps", "1000000000000"),
        ("epochs", "1000000000000"),
        ("canvas_length", "1000000000000"),
        ("retain.batch_size", "1000000000"),
        ("warmup_steps", "1000000000000"),
        ("keep_last", "1000000000000"),
    ] {
        refused(&format!("{align} {key}={value}"), &paths, &[&format!("`{key}`"), value, "more than"]);
    }
    for (key, value) in [("lr", "nan"), ("beta", "inf"), ("lora.alpha", "nan"), ("tau", "inf")] {
        refused(&format!("{align} {key}={value}"), &paths, &[&format!("`{key}`"), "no finite number"]);
    }
    refused(&format!("{align} lr=1e300"), &paths, &["`lr`", "is beyond 1000000"]);
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[kl]\n[lora]\nalpha = nan\n").unwrap();
    let named = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path()), ("c", config.as_path())];
    refused("align --model {m} --data {d} --out {o} --config {c}", &named, &["`lora.alpha`", "no finite number"]);
    assert!(!out.exists(), "nothing was begun");
    refused(
        "world train --out {o} --set steps=10000000 --set batch_size=10000",
        &paths,
        &["`steps` times `batch_size`", "100000000000", "more than 10000000"],
    );
    refused("world train --out {o} --set batch_size=8", &paths, &["`steps`"]);
}

#[test]
fn settings_of_attacks_have_bounds_too() {
    for (attack, key, value) in [
        ("tap", "width", "1000000000"),
        ("tap", "depth", "1000000000"),
        ("tap", "branching", "1000000000"),
        ("pad", "gen_length", "1000000000"),
        ("gcg", "candidates", "1000000000"),
        ("gcg", "iterations", "1000000000"),
        ("dija-user-turn", "fallback", "1000000000"),
        ("anchoring", "steps", "[1000000000]"),
        ("ept", "rounds", "1000000000"),
        ("adv-prefix", "pal.candidates", "1000000000"),
    ] {
        let set = format!("attack {attack} --behaviors x --out y --model z --set {key}={value}");
        refused(&set, &[], &[attack, key, "1000000000 is more than"]);
    }
    refused("attack tap --behaviors x --out y --model z --set temperature=-1", &[], &["temperature = -1 is below 0"]);
    refused("attack ept --behaviors x --out y --model z --set stop_at=nan", &[], &["`stop_at`", "no finite number"]);
}

#[test]
fn a_model_larger_than_memory_is_exit_3() {
    let dir = copy("llada");
    let config = dir.path().join("config.json");
    // An embedding of 70 TB.
    let old = read_json(&config);
    for (key, shift) in [("vocab_size", 20), ("embedding_size", 20), ("d_model", 10)] {
        edit(&config, key, json!(old[key].as_u64().unwrap() << shift));
    }
    let run = line("bench generate --config {c} --gen-length 8 --quiet", &[("c", &config)]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("GB, and this machine has"), "{}", run.stderr);
}

/// A copy of a fixture whose vocabulary is this many times as large; the file has holes where its rows would be.
fn enlarged(name: &str, times: u64) -> tempfile::TempDir {
    let dir = copy(name);
    let config = dir.path().join("config.json");
    let old = read_json(&config);
    let vocab = old["vocab_size"].as_u64().unwrap();
    for key in ["vocab_size", "embedding_size"] {
        edit(&config, key, json!(vocab * times));
    }
    let path = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut tensors: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let mut end = 0;
    for (name, tensor) in tensors.as_object_mut().unwrap().iter_mut().filter(|(name, _)| *name != "__metadata__") {
        let mut shape: Vec<u64> = serde_json::from_value(tensor["shape"].clone()).unwrap();
        if shape[0] == vocab {
            shape[0] *= times;
        }
        let length = 4 * shape.iter().product::<u64>();
        assert_eq!(tensor["dtype"], "F32", "{name}");
        *tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [end, end + length]});
        end += length;
    }
    let mut text = tensors.to_string();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    std::fs::write(&path, [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8 + text.len() as u64 + end).unwrap();
    dir
}

#[test]
fn a_checkpoint_larger_than_memory_is_refused_before_it_is_loaded() {
    // Its output layer has 277 GB.
    let dir = enlarged("llada", 1 << 22);
    for weights in ["stored", "int8"] {
        let run = line(&format!("generate --model {{d}} --prompt x --weights {weights} --quiet"), &[("d", dir.path())]);
        assert_eq!(run.code, 3, "{}", run.stderr);
        let parts = ["needs", "GB, and this machine has", "GB of memory available", "another machine"];
        assert!(parts.iter().all(|part| run.stderr.contains(part)), "{}", run.stderr);
    }
    let said: Value = serde_json::from_str(&line("inspect {d} --json", &[("d", dir.path())]).ok().stdout).unwrap();
    let bytes = |key: &str| said[key].as_u64().unwrap();
    assert!(bytes("peak_bytes_f32") > 250_000_000_000 && bytes("peak_bytes_int8") < bytes("peak_bytes_f32"));
    assert!(bytes("peak_bytes_int8") > 65_000_000_000 && said["memory_for_positions"] == 256);
}

#[test]
fn weights_in_int8_are_part_of_a_run_and_compute_in_f32() {
    let model = fixture("llada");
    refused(
        "generate --model {m} --prompt x --weights int8 --dtype bf16",
        &[("m", &model)],
        &["--weights int8", "--dtype bf16"],
    );
    let held = |flags: &str| {
        let line =
            line(&format!("generate --model {{m}} --prompt x --gen-length 8 --json --quiet {flags}"), &[("m", &model)]);
        line.ok().stdout
    };
    assert_eq!(held("--dtype auto"), held("--weights stored"));
    assert!(!held("--weights int8").is_empty());
}

/// A copy of a fixture with one NaN in this tensor.
fn with_nan(name: &str) -> (tempfile::TempDir, String) {
    let dir = copy(name);
    let path = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let info: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let tensors = info.as_object().unwrap().iter().filter(|(name, _)| name.contains(".1.ff_norm"));
    let (tensor, place) = tensors.min_by_key(|(name, _)| name.len()).unwrap();
    assert_eq!(place["dtype"], "F32");
    let at = 8 + header + place["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    (dir, tensor.clone())
}

/// A run that a check ended.
fn failed_check(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part} is not in {}", run.stderr);
    }
}

#[test]
fn weights_that_hold_nan_end_every_command_with_exit_1_and_the_tensor() {
    let (model, tensor) = with_nan("llada");
    let dir = tempfile::tempdir().unwrap();
    let (prompts, out) = (prompt_file(dir.path(), 2), dir.path().join("run"));
    let paths = [("m", model.path()), ("p", prompts.as_path()), ("o", out.as_path())];
    let run = line("generate --model {m} --prompt hello --gen-length 8", &paths);
    failed_check(&run, &["NaN", &tensor, "step 0", "get them again"]);
    let run = line("probe order --model {m} --behaviors {p} --out {o} --gen-length 8 --quiet", &paths);
    failed_check(&run, &["NaN", &tensor]);
    let run = line("align --model {m} --data {p} --out {o}2 --set canvas_length=64 --set steps=2 --quiet", &paths);
    failed_check(&run, &["step 1", &tensor, "no checkpoint yet"]);
}

#[test]
fn a_run_that_diverges_names_its_last_good_checkpoint_and_what_to_lower() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out) = (fixture("llada"), prompt_file(dir.path(), 4), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path())];
    let settings = ["canvas_length=48", "window=[8,47]", "steps=40", "save_every=1", "lr=1000000", "clip=1000000"];
    let settings: String = settings.iter().map(|s| format!(" --set {s}")).collect();
    let run = line(&format!("align --model {{m}} --data {{d}} --out {{o}} --quiet{settings}"), &paths);
    failed_check(&run, &["the run diverged", "lower `lr` (now 1000000)", "its last good checkpoint is"]);
    let said = run.stderr.split("last good checkpoint is ").nth(1).unwrap();
    let folder = said.split(", after").next().unwrap();
    assert!(Path::new(folder).join("trainer_state.json").exists(), "{folder}");
}

#[test]
fn masks_in_a_row_of_ids_need_infill_and_no_answer_holds_one() {
    let dir = tempfile::tempdir().unwrap();
    let model = fixture("llada");
    let mask = read_json(&model.join("config.json"))["mask_token_id"].clone();
    let file = dir.path().join("p.jsonl");
    std::fs::write(&file, json!({"id": "gaps", "ids": [5, mask, 6, mask, mask, 9]}).to_string()).unwrap();
    let paths = [("m", model.as_path()), ("p", file.as_path())];
    let command = "generate --model {m} --prompts {p} --json --gen-length 8";
    refused(command, &paths, &["gaps", "3 in all", "--infill"]);
    for flags in
        ["", " --allow-mask", " --eos-stop", " --cache dual --block-length 4", " --sampler timesteps --steps 1"]
    {
        let run = line(&format!("{command} --infill{flags}"), &paths).ok();
        let record = &run.json()[0];
        assert!(!record["ids"].as_array().unwrap().contains(&mask), "{flags}: {record}");
        assert!(["stop", "length"].contains(&record["finish_reason"].as_str().unwrap()));
        let filled = record["prompt_filled"].as_str().unwrap();
        assert!(!filled.is_empty() && !filled.contains("mask"), "{filled}");
    }
    let plain =
        mosa(&["generate", "--model", model.to_str().unwrap(), "--prompt", "hi", "--gen-length", "8", "--json"]);
    assert_eq!(plain.ok().json()[0].get("prompt_filled"), None);
}

#[test]
fn settings_files_that_hold_no_numbers_are_refused_with_file_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let (file, run) = (dir.path().join("settings.toml"), dir.path().join("run"));
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("answers.jsonl"), "").unwrap();
    let paths = [("c", file.as_path()), ("r", run.as_path()), ("m", &fixture("llada"))];
    std::fs::write(&file, "[gate]\nmin_distinct3 = nan\n").unwrap();
    refused("judge {r} --judge-config {c}", &paths, &["settings.toml", "`gate.min_distinct3`", "no finite number"]);
    let model = dir.path().join("model");
    crate::copy_all(&fixture("dream"), &model);
    std::fs::write(model.join("generation_config.json"), r#"{"temperature": 1e200}"#).unwrap();
    refused(
        "generate --model {m} --prompt x",
        &[("m", &model)],
        &["generation_config.json", "`temperature`", "1000000"],
    );
    std::fs::write(&file, "[lora]\nr = 1000000000\n").unwrap();
    refused(
        "align --model {m} --data {c} --out {r}x --config {c}",
        &paths,
        &["`lora.r`", "1000000000 is more than 16384"],
    );
}
