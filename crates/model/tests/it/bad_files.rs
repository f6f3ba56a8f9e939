use crate::{copy, edit, open};
use mosa_model::ModelError;
use serde_json::{Value, json};
use std::path::Path;

fn message(dir: &Path) -> String {
    match open(dir) {
        Ok(_) => panic!("{} loads", dir.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn config_values_that_cannot_be_used_are_refused_by_file_and_key() {
    for (name, key, value) in [
        ("llada", "architectures", Some(json!(["GPT2LMHeadModel"]))),
        ("llada", "architectures", None),
        ("llada", "mask_token_id", None),
        ("llada", "mask_token_id", Some(json!(99999))),
        ("llada", "mask_token_id", Some(json!("x"))),
        ("llada", "eos_token_id", None),
        ("llada", "d_model", None),
        ("llada", "d_model", Some(json!(-4))),
        ("llada", "d_model", Some(json!(50))),
        ("llada", "n_heads", Some(json!(0))),
        ("llada", "n_heads", Some(json!(1.5))),
        ("llada", "n_kv_heads", Some(json!(4))),
        ("llada", "rope_theta", Some(json!("big"))),
        ("llada", "rms_norm_eps", Some(json!(0))),
        ("llada", "block_type", Some(json!("sequential"))),
        ("llada", "activation_type", Some(json!("gelu"))),
        ("llada", "alibi", Some(json!(true))),
        ("llada", "weight_tying", Some(json!("no"))),
        ("dream", "rope_scaling", Some(json!({"type": "yarn"}))),
        ("dream", "use_sliding_window", Some(json!(true))),
        ("dream", "num_key_value_heads", Some(json!(2))),
        ("dream", "max_position_embeddings", None),
    ] {
        let dir = copy(name);
        edit(&dir.path().join("config.json"), key, value.clone());
        let error = message(dir.path());
        let shown = match key {
            "d_model" if value == Some(json!(50)) => "n_heads",
            other => other,
        };
        assert!(error.contains("config.json") && error.contains(shown), "{key} = {value:?}: {error}");
    }
}

#[test]
fn a_missing_mask_id_names_the_fix() {
    let dir = copy("llada");
    edit(&dir.path().join("config.json"), "mask_token_id", None);
    assert!(message(dir.path()).contains("<|mdm_mask|>"));
}

#[test]
fn an_unknown_architecture_lists_the_known_ones() {
    let dir = copy("llada");
    edit(&dir.path().join("config.json"), "architectures", Some(json!(["Fast_dLLM_QwenForCausalLM"])));
    let error = message(dir.path());
    assert!(
        error.contains("Fast_dLLM_QwenForCausalLM") && error.contains("LLaDAModelLM") && error.contains("DreamModel"),
        "{error}"
    );
}

#[test]
fn a_missing_or_truncated_shard_is_refused_with_its_name() {
    let shards: Vec<String> = std::fs::read_dir(crate::fixture("dream"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("model-"))
        .collect();
    assert!(shards.len() >= 2);
    for shard in shards {
        let dir = copy("dream");
        let path = dir.path().join(&shard);
        let bytes = std::fs::read(&path).unwrap();
        for keep in [0, 5, 100, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..keep]).unwrap();
            let error = message(dir.path());
            assert!(error.contains(&shard), "{keep} bytes: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = message(dir.path());
        assert!(error.contains(&shard) && error.contains("missing"), "{error}");
    }
    let dir = copy("llada");
    std::fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert!(message(dir.path()).contains("model.safetensors"));
}

fn edit_index(dir: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join("model.safetensors.index.json");
    let mut index: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(index["weight_map"].as_object_mut().unwrap());
    std::fs::write(path, index.to_string()).unwrap();
}

#[test]
fn an_index_that_names_what_is_not_there_is_refused() {
    let dir = copy("dream");
    edit_index(dir.path(), |map| {
        let shard = map["model.norm.weight"].clone();
        map.insert("model.extra.weight".into(), shard);
    });
    let error = message(dir.path());
    assert!(error.contains("model.extra.weight") && error.contains("index"), "{error}");
    let dir = copy("dream");
    edit_index(dir.path(), |map| {
        map.insert("model.norm.weight".into(), json!("../model-00001-of-00002.safetensors"));
    });
    assert!(message(dir.path()).contains("not a plain file name"));
    let dir = copy("dream");
    edit_index(dir.path(), |map| {
        map.remove("model.norm.weight");
    });
    let error = message(dir.path());
    assert!(error.contains("model.norm.weight") && error.contains("missing"), "{error}");
}

#[test]
fn a_tensor_of_the_wrong_shape_or_type_is_refused_with_both() {
    let dir = copy("llada");
    edit(&dir.path().join("config.json"), "mlp_hidden_size", Some(json!(57)));
    let error = message(dir.path());
    assert!(error.contains("ff_proj") && error.contains("[56, 48]") && error.contains("[57, 48]"), "{error}");
    let dir = copy("llada");
    let path = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&bytes[8..8 + header]).unwrap().replace("F32", "I32");
    std::fs::write(&path, [&bytes[..8], text.as_bytes(), &bytes[8 + header..]].concat()).unwrap();
    let error = message(dir.path());
    assert!(error.contains("I32") && error.contains("F32"), "{error}");
}

#[test]
fn tensors_nobody_asked_for_are_reported() {
    let dir = copy("dream");
    let config = dir.path().join("config.json");
    edit(&config, "num_hidden_layers", Some(json!(1)));
    let model = open(dir.path()).unwrap();
    assert!(
        model.unused_tensors().iter().all(|n| n.starts_with("model.layers.1.")) && model.unused_tensors().len() == 12
    );
}

#[test]
fn running_out_of_memory_is_told_apart() {
    let error = ModelError::Torch(tch::TchError::Torch("CUDA out of memory. Tried to allocate\nmore".into()));
    assert!(error.is_out_of_memory() && !error.to_string().contains("more"));
    assert!(!ModelError::Call("memory".into()).is_out_of_memory());
}
