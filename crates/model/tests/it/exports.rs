//! Checkpoints as training tools, exports and downloads leave them.

use crate::{canvas, copy, distance, edit, fixture, load, logits, open, read_tensors, rename, write_tensors};
use mosa_model::{Adapter, Checkpoint, DenoisingModel, Targets, Transformer, merge_checkpoint};
use safetensors::Dtype;
use serde_json::json;
use std::fs;
use std::path::Path;
use tch::Device;

const INDEX: &str = "model.safetensors.index.json";

fn shards(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| n.ends_with(".safetensors")).collect();
    names.sort();
    names
}

fn same(name: &str, dir: &Path) {
    let (plain, other) = (load(name), open(dir).unwrap_or_else(|e| panic!("{e}")));
    let row = canvas(&plain, 9, 9);
    assert_eq!(distance(&logits(&plain, &row), &logits(&other, &row)), 0.0, "{name}");
    assert!(other.unused_tensors().is_empty(), "{:?}", other.unused_tensors());
}

fn message(result: Result<Transformer, mosa_model::ModelError>) -> String {
    result.err().map(|e| e.to_string()).unwrap_or_else(|| panic!("it loads"))
}

#[test]
fn shards_without_an_index_load_where_all_are_there() {
    let dir = copy("dream");
    fs::remove_file(dir.path().join(INDEX)).unwrap();
    same("dream", dir.path());
    let names = shards(dir.path());
    for gone in &names {
        let dir = copy("dream");
        fs::remove_file(dir.path().join(INDEX)).unwrap();
        fs::remove_file(dir.path().join(gone)).unwrap();
        let error = message(open(dir.path()));
        assert!(error.contains(gone) && error.contains("3 of 4"), "{error}");
    }
    // Shards of another set beside them.
    fs::copy(dir.path().join(&names[0]), dir.path().join("model-00001-of-00003.safetensors")).unwrap();
    let error = message(open(dir.path()));
    assert!(error.contains("of-00003") && error.contains("of-00004"), "{error}");
}

#[test]
fn a_tensor_in_two_shards_is_refused_unless_it_is_the_same() {
    for index in [true, false] {
        let dir = copy("dream");
        let paths: Vec<_> = shards(dir.path()).iter().map(|n| dir.path().join(n)).collect();
        if !index {
            fs::remove_file(dir.path().join(INDEX)).unwrap();
        }
        let mut second = read_tensors(&paths[1]);
        let mut twice = read_tensors(&paths[0])[0].clone();
        second.push(twice.clone());
        write_tensors(&paths[1], &second);
        same("dream", dir.path());
        twice.3[0] ^= 1;
        *second.last_mut().unwrap() = twice.clone();
        write_tensors(&paths[1], &second);
        let error = message(open(dir.path()));
        let named = paths[..2].iter().all(|p| error.contains(&*p.file_name().unwrap().to_string_lossy()));
        assert!(named && error.contains(&twice.0), "{error}");
    }
}

#[test]
fn wrapped_and_prefixed_names_find_their_weights() {
    for name in ["llada", "mmada"] {
        for to in [
            |n: &str| format!("_orig_mod.{n}"),
            |n: &str| format!("module.{n}"),
            |n: &str| format!("module._orig_mod.{n}"),
            |n: &str| n.replace("blocks.0.", "blocks.0._orig_mod."),
            |n: &str| n.replace("blocks.0.", "blocks.0._checkpoint_wrapped_module."),
            |n: &str| n.strip_prefix("model.").unwrap().to_owned(),
            |n: &str| n.strip_prefix("model.transformer.").unwrap().to_owned(),
            |n: &str| format!("model.{n}"),
            |n: &str| format!("base.policy.{n}"),
        ] {
            let dir = copy(name);
            rename(&dir.path().join("model.safetensors"), to);
            same(name, dir.path());
        }
    }
    // The head of Dream is beside `model`, not in it.
    for to in [
        |n: &str| n.strip_prefix("model.").unwrap_or(n).to_owned(),
        |n: &str| format!("model.{n}"),
        |n: &str| if n.starts_with("lm_head") { n.to_owned() } else { format!("inner.{n}") },
    ] {
        let dir = copy("dream");
        fs::remove_file(dir.path().join(INDEX)).unwrap();
        shards(dir.path()).iter().for_each(|s| rename(&dir.path().join(s), to));
        same("dream", dir.path());
    }
}

#[test]
fn names_that_could_mean_two_weights_and_names_that_mean_none_are_refused() {
    let dir = copy("llada");
    let path = dir.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    let twin = (format!("_orig_mod.{}", tensors[0].0), tensors[0].1, tensors[0].2.clone(), tensors[0].3.clone());
    tensors.push(twin.clone());
    write_tensors(&path, &tensors);
    let error = message(open(dir.path()));
    assert!(error.contains(&twin.0) && error.contains(&tensors[0].0), "{error}");
    // One prefix has to explain all names: a stray copy is not taken for a weight that is missing.
    tensors.pop();
    let norm = tensors.iter().position(|t| t.0 == "model.transformer.ln_f.weight").unwrap();
    tensors[norm].0 = "ema.model.transformer.ln_f.weight".into();
    write_tensors(&path, &tensors);
    let error = message(open(dir.path()));
    assert!(error.contains("model.transformer.ln_f.weight") && error.contains("missing"), "{error}");
    assert!(error.contains("model.safetensors"), "{error}");
}

#[test]
fn an_adapter_merges_into_a_checkpoint_with_other_names() {
    let model = load("llada");
    let dir = copy("llada");
    rename(&dir.path().join("model.safetensors"), |n| format!("_orig_mod.{n}"));
    let adapter = Adapter::load(&fixture("llada").join("adapter"), model.spec(), Device::Cpu).unwrap();
    let out = tempfile::tempdir().unwrap();
    let (plain, wrapped) = (out.path().join("plain"), out.path().join("wrapped"));
    merge_checkpoint(&fixture("llada"), model.spec(), &adapter, &plain).unwrap();
    merge_checkpoint(dir.path(), model.spec(), &adapter, &wrapped).unwrap();
    let row = canvas(&model, 9, 9);
    let merged = logits(&open(&plain).unwrap(), &row);
    assert_eq!(distance(&merged, &logits(&open(&wrapped).unwrap(), &row)), 0.0);
    assert!(distance(&merged, &logits(&model, &row)) > 1e-3);
}

#[test]
fn weights_in_a_type_that_is_not_read_are_refused_without_advice_that_does_not_help() {
    for (dtype, whole) in [(Dtype::F8_E4M3, false), (Dtype::F8_E5M2, true), (Dtype::U8, false)] {
        let dir = copy("llada");
        let path = dir.path().join("model.safetensors");
        let mut tensors = read_tensors(&path);
        for tensor in tensors.iter_mut().filter(|t| whole || t.0.contains("q_proj")) {
            let count = tensor.2.iter().product();
            (tensor.1, tensor.3) = (dtype, vec![0x38; count]);
        }
        write_tensors(&path, &tensors);
        let kind = Checkpoint::open(dir.path()).unwrap().weights_kind().unwrap_err().to_string();
        for error in [kind, message(open(dir.path()))] {
            let named = error.contains(&format!("{dtype:?}")) && error.contains(".weight");
            assert!(named && error.contains("model.safetensors"), "{error}");
            assert!(!error.contains("--dtype"), "{error}");
        }
    }
}

#[test]
fn tables_beside_the_weights_do_not_decide_their_type() {
    let dir = copy("llada");
    let path = dir.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    tensors.push(("model.rotary_emb.inv_freq".into(), Dtype::F16, vec![2], vec![0; 4]));
    tensors.push(("model.position_ids".into(), Dtype::I64, vec![1], vec![0; 8]));
    write_tensors(&path, &tensors);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(checkpoint.weights_kind().unwrap(), tch::Kind::Float);
    assert_eq!(open(dir.path()).unwrap().unused_tensors().len(), 2);
}

#[test]
fn parts_without_which_the_weights_are_not_the_model_are_refused() {
    let q = "model.transformer.blocks.0.q_proj";
    for (extra, said) in [
        (format!("{q}.lora_A.weight"), "LoRA"),
        (format!("{q}.lora_B.default.weight"), "LoRA"),
        (format!("{q}.weight_scale_inv"), "quantised"),
        (format!("{q}.weight_scale"), "quantised"),
    ] {
        let dir = copy("llada");
        let path = dir.path().join("model.safetensors");
        let mut tensors = read_tensors(&path);
        tensors.push((extra.clone(), Dtype::F32, vec![1], vec![0; 4]));
        write_tensors(&path, &tensors);
        let error = message(open(dir.path()));
        assert!(error.contains(&extra) && error.contains(said), "{error}");
    }
}

#[test]
fn a_folder_without_safetensors_says_what_it_holds_instead() {
    for (file, said) in [
        ("pytorch_model.bin", "torch pickle"),
        ("pytorch_model-00001-of-00002.bin", "torch pickle"),
        ("model.pt", "torch pickle"),
        ("model-q4.gguf", "llama.cpp"),
        ("tf_model.h5", "does not read"),
        ("consolidated.safetensors", "name it model.safetensors"),
        ("notes.txt", "must be safetensors"),
    ] {
        let dir = copy("llada");
        fs::remove_file(dir.path().join("model.safetensors")).unwrap();
        fs::write(dir.path().join(file), "x").unwrap();
        let error = message(open(dir.path()));
        let named = file.ends_with(".txt") || error.contains(file);
        assert!(named && error.contains(said) && error.contains(&*dir.path().to_string_lossy()), "{file}: {error}");
    }
    let adapter = fixture("llada").join("adapter");
    let error = Checkpoint::open(&adapter).unwrap_err().to_string();
    assert!(error.contains("--adapter"), "{error}");
}

#[test]
fn a_file_that_is_no_safetensors_file_says_what_it_is() {
    for (bytes, said) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"[..], "git lfs pull"),
        (b"<!doctype html><title>401</title>", "web page"),
        (b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0", "GGUF"),
        (b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0", "torch pickle"),
        (b"short", "not a complete safetensors file"),
    ] {
        let dir = copy("llada");
        fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
        let error = message(open(dir.path()));
        assert!(error.contains("model.safetensors") && error.contains(said), "{error}");
    }
}

#[test]
fn weights_beside_the_shards_of_an_index_are_refused() {
    let dir = copy("dream");
    let first = dir.path().join(&shards(dir.path())[0]);
    fs::copy(first, dir.path().join("model.safetensors")).unwrap();
    let error = message(open(dir.path()));
    assert!(error.contains("model.safetensors") && error.contains(INDEX) && error.contains("unclear"), "{error}");
    // Left over from shards that are gone, an index says nothing.
    let dir = copy("llada");
    fs::write(dir.path().join(INDEX), json!({"weight_map": {"a": "model-00001-of-00002.safetensors"}}).to_string())
        .unwrap();
    same("llada", dir.path());
}

#[test]
fn a_tensor_that_a_shard_holds_and_the_index_does_not_name_is_missed_at_the_index() {
    let dir = copy("dream");
    let path = dir.path().join(INDEX);
    let mut index: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    index["weight_map"].as_object_mut().unwrap().remove("model.norm.weight");
    fs::write(&path, index.to_string()).unwrap();
    let error = message(open(dir.path()));
    assert!(error.contains(INDEX) && error.contains("model.norm.weight") && error.contains("of-00004"), "{error}");
}

#[test]
fn a_tied_model_loads_without_a_head() {
    let dir = copy("dream");
    edit(&dir.path().join("config.json"), "tie_word_embeddings", Some(json!(true)));
    fs::remove_file(dir.path().join(INDEX)).unwrap();
    for shard in shards(dir.path()) {
        let path = dir.path().join(shard);
        let kept: Vec<_> = read_tensors(&path).into_iter().filter(|t| !t.0.starts_with("lm_head")).collect();
        write_tensors(&path, &kept);
    }
    let model = open(dir.path()).unwrap();
    assert!(model.config().head.tied && Targets::AllLinear.select(&model.spec().linears, None).is_ok());
}
