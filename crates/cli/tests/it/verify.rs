use crate::at_hand::at_hand;
use crate::{copy, damage_tensor, edit, fixture, line, read_json};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn every_golden_entry_of_the_fixtures_is_met() {
    for (name, met) in
        [("llada", 99), ("dream", 94), ("mmada", 62), ("sdar", 74), ("llada-moe", 96), ("llada2-moe", 76)]
    {
        let run = line("verify {f}", &[("f", &fixture(name))]).ok();
        let summary = format!("{met} ok, 0 missed, 0 skipped");
        assert!(run.stdout.contains(&summary), "{}", run.stdout);
    }
}

#[test]
fn every_golden_entry_of_the_parity_folders_is_met_where_they_are_at_hand() {
    for name in ["llada", "llada-bf16", "dream", "mmada", "sdar", "llada-moe", "llada2-moe"] {
        let Some(folder) = at_hand(&format!("parity/{name}")) else { continue };
        let run = line("verify {p} --json", &[("p", &folder)]).ok();
        let checks = run.json();
        assert!(checks.len() > 40);
        assert!(checks.iter().all(|c| c["check"]["status"] == "ok"), "nothing is skipped");
    }
}

/// Verifies a damaged copy; returns the entries that missed.
fn misses(dir: &Path) -> Vec<String> {
    let run = line("verify {p} --json", &[("p", dir)]);
    let missed: Vec<String> = run
        .json()
        .iter()
        .filter(|c| c["check"]["status"] == "MISS")
        .map(|c| format!("{} {}", c["check"]["entry"].as_str().unwrap(), c["check"]["what"].as_str().unwrap()))
        .collect();
    assert_eq!(run.code, if missed.is_empty() { 0 } else { 1 }, "{}", run.stderr);
    missed
}

#[test]
fn changed_weights_are_noticed() {
    let dir = copy("llada");
    damage_tensor(&dir.path().join("model.safetensors"), "model.transformer.blocks.1.attn_out.weight");
    assert!(misses(dir.path()).iter().any(|e| e.starts_with("logits.single")));
}

#[test]
fn changed_config_values_are_noticed() {
    for (name, key, value, entry) in [
        ("llada", "rope_theta", json!(400_000.0), "logits.single"),
        ("llada", "rms_norm_eps", json!(1e-3), "logits.single"),
        ("mmada", "n_heads", json!(4), ""),
        ("llada", "eos_token_id", json!(333), "special_ids.eos"),
        ("dream", "rope_theta", json!(10_000.0), "logits.single"),
        ("dream", "pad_token_id", json!(340), "special_ids.pad"),
    ] {
        let dir = copy(name);
        edit(&dir.path().join("config.json"), key, value);
        if entry.is_empty() {
            // Fewer kv heads than heads: the shapes no longer fit.
            assert_eq!(line("verify {p}", &[("p", dir.path())]).code, 2);
        } else {
            let missed = misses(dir.path());
            assert!(missed.iter().any(|e| e.starts_with(entry)), "{name} {key}: {missed:?}");
        }
    }
}

/// Changes golden.json at a JSON pointer.
fn alter(dir: &Path, pointer: &str, change: impl FnOnce(&mut Value)) {
    let path = dir.join("golden.json");
    let mut golden = read_json(&path);
    change(golden.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")));
    std::fs::write(path, golden.to_string()).unwrap();
}

#[test]
fn every_kind_of_entry_can_miss() {
    let bump: fn(&mut Value) = |v| *v = json!(v.as_f64().unwrap() + 0.05);
    let next: fn(&mut Value) = |v| *v = json!(v.as_u64().unwrap() + 1);
    let tail: fn(&mut Value) = |v| *v = json!(format!("{}x", v.as_str().unwrap()));
    for (name, pointer, change, entry) in [
        ("llada", "/text/0/ids/0", next, "text.0"),
        ("llada", "/chat/0/text", tail, "chat.single"),
        ("llada", "/decode/0/text", tail, "decode.0"),
        ("llada", "/special_ids/mask", next, "special_ids.mask"),
        ("llada", "/traces/0/steps/3/commit/0/2", next, "traces.full"),
        ("llada", "/traces/0/final/0/2", next, "traces.full"),
        ("llada", "/traces/0/final_text/0", tail, "traces.full"),
        ("llada", "/traces/3/steps/0/commit/0/1", next, "traces.batch every step, padded"),
        ("llada", "/likelihood/0/chain_per_token/1", bump, "likelihood.0.chain"),
        ("llada", "/likelihood/1/mean_field", bump, "likelihood.1.mean_field"),
        ("llada", "/mosa/variants/paper/rows/0/k_pos", next, "mosa.paper best offsets"),
        ("llada", "/mosa/variants/paper/rows/0/score_neg", bump, "mosa.paper scores"),
        ("llada", "/mosa/variants/start/rows/1/kl", bump, "mosa.start scores"),
        ("llada", "/mosa/variants/initial/loss", bump, "mosa.initial loss"),
        ("llada", "/mosa/train/runs/paper/2/loss", bump, "mosa.train.paper loss"),
        ("llada", "/mosa/safe/0", next, "mosa.sentences"),
        ("llada", "/gcg/0/loss", bump, "gcg.offset_0 loss"),
        ("mmada", "/gcg/1/candidate_losses/2", bump, "gcg.offset_5 candidate losses"),
        ("dream", "/gcg/1/offset", next, "gcg.offset_8 gradient"),
        ("dream", "/schedules/0/per_step/3", next, "schedules.0"),
        ("dream", "/schedules/0/p_transfer_origin/3", bump, "schedules.0"),
    ] {
        let dir = copy(name);
        alter(dir.path(), pointer, change);
        let missed = misses(dir.path());
        assert!(missed.iter().any(|e| e.starts_with(entry)), "{pointer}: {missed:?}");
    }
}

#[test]
fn every_kind_of_recorded_tensor_can_miss() {
    for (tensor, entry) in [
        ("logits.padded", "logits.padded"),
        ("logits.single.bf16", "logits.single"),
        ("cache.dual", "cache.dual"),
        ("cache.prefix", "cache.prefix"),
        ("gcg.offset_0.grad", "gcg.offset_0 gradient"),
        ("adapter.logits.single", "mosa.adapter"),
        ("adapter.merged_logits.single", "mosa.adapter"),
        (
            "mosa.paper.grad.base_model.model.model.transformer.blocks.1.ff_out.lora_B.weight",
            "mosa.paper gradient / norm",
        ),
        (
            "mosa.paper.trained.base_model.model.model.transformer.blocks.0.q_proj.lora_A.weight",
            "mosa.train.paper trained adapter",
        ),
        ("mosa.paper.trained_logits.single", "mosa.train.paper trained logits"),
    ] {
        let dir = copy("llada");
        damage_tensor(&dir.path().join("golden.safetensors"), tensor);
        let missed = misses(dir.path());
        assert!(missed.iter().any(|e| e.starts_with(entry)), "{tensor}: {missed:?}");
    }
}

#[test]
fn entries_without_a_feature_are_skipped_by_name() {
    let dir = copy("mmada");
    let path = dir.path().join("golden.json");
    let mut golden = read_json(&path);
    golden["signature"] = json!([{"name": "offset_3"}]);
    golden["watermark"] = json!({"bits": 4});
    golden["traces"][0]["args"]["temperature_schedule"] = json!("cosine");
    std::fs::write(path, golden.to_string()).unwrap();
    let run = line("verify {p} --quiet", &[("p", dir.path())]).ok();
    for name in ["signature.offset_3", "watermark", "traces.full", "temperature_schedule"] {
        assert!(run.stdout.lines().any(|l| l.contains(name) && l.contains("skipped")), "{name}: {}", run.stdout);
    }
}

#[test]
fn a_folder_that_holds_no_golden_numbers_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = line("verify {p}", &[("p", dir.path())]);
    assert!(run.code == 2 && run.stderr.contains("golden.json"), "{}", run.stderr);
}
