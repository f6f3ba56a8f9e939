use crate::devices::{models, rounding};
use crate::{canvas, distance, edit, fixture, load, logits, read_tensors, rename, write_tensors};
use mosa_model::{Adapter, AdapterConfig, Call, DenoisingModel, ModelError, Slot, Targets, Transformer};
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn adapted(model: &Transformer, adapter: &Adapter, row: &[u32]) -> Tensor {
    let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
    tch::no_grad(|| model.forward(Call::new(&[row], &want).with_adapter(Some(adapter)))).unwrap()
}

fn fixture_adapter(name: &str, model: &Transformer) -> Adapter {
    Adapter::load(&fixture(name).join("adapter"), model.spec(), model.device()).unwrap()
}

fn copy_adapter(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(fixture(name).join("adapter").join(file), dir.path().join(file)).unwrap();
    }
    dir
}

#[test]
fn a_fresh_adapter_attaches_to_all_block_linears_and_changes_nothing() {
    for (name, model) in models(&["llada", "dream", "mmada"]) {
        let targets = Targets::Pattern(model.spec().block_linears.clone());
        let adapter = Adapter::init(AdapterConfig::new(4, 8.0, targets), model.spec(), 0, model.device()).unwrap();
        let in_blocks: Vec<usize> =
            model.spec().linears.iter().enumerate().filter(|(_, l)| l.block.is_some()).map(|(i, _)| i).collect();
        assert_eq!(adapter.pairs().map(|(i, _)| i).collect::<Vec<_>>(), in_blocks, "{name}");
        let row = canvas(&model, 6, 6);
        assert_eq!(distance(&adapted(&model, &adapter, &row), &logits(&model, &row)), 0.0, "{name}");
        let bound = 1.0 / (model.spec().width as f64).sqrt();
        let a = &adapter.pair(0).unwrap().a;
        assert!(a.abs().max().double_value(&[]) <= bound && a.std(true).double_value(&[]) > 0.4 * bound);
    }
}

#[test]
fn the_initial_factors_depend_on_seed_and_layer_alone() {
    let model = load("llada");
    let make =
        |seed, targets| Adapter::init(AdapterConfig::new(2, 4.0, targets), model.spec(), seed, Device::Cpu).unwrap();
    let all = make(5, Targets::AllLinear);
    let some = make(5, Targets::Names(vec!["v_proj".into()]));
    let (index, pair) = some.pairs().next().unwrap();
    assert_eq!(distance(&pair.a, &all.pair(index).unwrap().a), 0.0);
    assert!(distance(&pair.a, &make(6, Targets::AllLinear).pair(index).unwrap().a) > 1e-3);
}

#[test]
fn a_saved_adapter_loads_back_equal() {
    let model = load("dream");
    let adapter = fixture_adapter("dream", &model);
    let dir = tempfile::tempdir().unwrap();
    adapter.save(dir.path(), model.spec()).unwrap();
    let again = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap();
    assert_eq!(again.config, adapter.config);
    for ((name, a), (other, b)) in adapter.tensors().into_iter().zip(again.tensors()) {
        assert_eq!(name, other);
        assert_eq!(distance(a, b), 0.0);
    }
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!(written["peft_type"], "LORA");
    assert_eq!(written["task_type"], Value::Null);
    let file = safetensors_metadata(&dir.path().join("adapter_model.safetensors"));
    assert!(
        file.contains(r#""format":"pt""#)
            && file.contains("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"),
        "{file}"
    );
}

fn safetensors_metadata(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    String::from_utf8(bytes[8..8 + header].to_vec()).unwrap()
}

#[test]
fn targets_match_as_peft_matches_them() {
    let model = load("llada");
    let linears = &model.spec().linears;
    let names = |t: Targets, exclude: Option<Targets>| -> Vec<&str> {
        t.select(linears, exclude.as_ref()).unwrap().into_iter().map(|i| linears[i].name.as_str()).collect()
    };
    // A list matches by suffix, so ff_out reaches the head as well as every block's down projection.
    let suffix = names(Targets::Names(vec!["ff_out".into()]), None);
    assert_eq!(
        suffix,
        ["model.transformer.blocks.0.ff_out", "model.transformer.blocks.1.ff_out", "model.transformer.ff_out"]
    );
    assert_eq!(names(Targets::Pattern(r"model\.transformer\.ff_out".into()), None), ["model.transformer.ff_out"]);
    assert_eq!(names(Targets::AllLinear, None).len(), 14);
    let without = names(Targets::AllLinear, Some(Targets::Pattern(r".*\.1\..*".into())));
    assert_eq!(without.len(), 7);
    assert!(without.iter().all(|n| n.contains("blocks.0.")));
}

#[test]
fn targets_that_match_nothing_are_refused() {
    let model = load("llada");
    let linears = &model.spec().linears;
    // d1's list: on LLaDA only q, k, v and up exist under these names.
    let d1 = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"].map(String::from).to_vec();
    let error = Targets::Names(d1).select(linears, None).unwrap_err().to_string();
    assert!(error.contains("o_proj") && error.contains("attn_out"), "{error}");
    // A pattern has to match the whole path.
    for pattern in ["q_proj", r"model\.layers\..*", "("] {
        assert!(
            matches!(Targets::Pattern(pattern.into()).select(linears, None), Err(ModelError::Adapter(_))),
            "{pattern}"
        );
    }
}

#[test]
fn rank_and_alpha_patterns_and_rank_stabilisation_set_the_scale_of_each_layer() {
    let model = load("llada");
    let mut config = AdapterConfig::new(4, 8.0, Targets::AllLinear);
    config.rank_pattern.insert("v_proj".into(), 2);
    config.alpha_pattern.insert(r"blocks\.1\.q_proj".into(), 20.0);
    let scales = |config: AdapterConfig| {
        let adapter = Adapter::init(config, model.spec(), 0, Device::Cpu).unwrap();
        let of = |name: &str| {
            let index = model.spec().linears.iter().position(|l| l.name == name).unwrap();
            let pair = adapter.pair(index).unwrap();
            (pair.a.size()[0], pair.scale)
        };
        ["0.q_proj", "0.v_proj", "1.q_proj"].map(|n| of(&format!("model.transformer.blocks.{n}")))
    };
    assert_eq!(scales(config.clone()), [(4, 2.0), (2, 4.0), (4, 5.0)]);
    config.rank_stabilised = true;
    assert_eq!(scales(config), [(4, 4.0), (2, 8.0 / 2f64.sqrt()), (4, 10.0)]);
}

#[test]
fn a_patterned_adapter_folder_loads_with_its_patterns() {
    let model = load("llada");
    let mut config = AdapterConfig::new(4, 8.0, Targets::Names(vec!["q_proj".into(), "v_proj".into()]));
    config.rank_pattern.insert("v_proj".into(), 2);
    let dir = tempfile::tempdir().unwrap();
    Adapter::init(config.clone(), model.spec(), 1, Device::Cpu).unwrap().save(dir.path(), model.spec()).unwrap();
    let again = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap();
    assert_eq!(again.config, config);
    assert_eq!(again.pairs().map(|(_, p)| p.a.size()[0]).collect::<Vec<_>>(), [4, 2, 4, 2]);
    edit(&dir.path().join("adapter_config.json"), "rank_pattern", Some(json!({})));
    let error = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("v_proj") && error.contains("[2, 48]") && error.contains("[4, 48]"), "{error}");
}

#[test]
fn what_would_change_the_adapter_and_is_not_supported_is_refused_by_name() {
    let model = load("llada");
    for (key, value) in [
        ("use_dora", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("bias", json!("all")),
        ("lora_bias", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("target_parameters", json!(["x"])),
        ("layers_to_transform", json!([0])),
        ("layer_replication", json!([[0, 2]])),
        ("trainable_token_indices", json!([1])),
        ("init_lora_weights", json!("pissa")),
        ("peft_type", json!("IA3")),
        ("some_new_switch", json!(true)),
        ("r", json!(0)),
        ("lora_alpha", json!("high")),
        ("target_modules", Value::Null),
        ("rank_pattern", json!([1])),
    ] {
        let dir = copy_adapter("llada");
        edit(&dir.path().join("adapter_config.json"), key, Some(value.clone()));
        let error = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("adapter_config.json") && error.contains(key), "{key} = {value}: {error}");
    }
    for (key, value) in
        [("some_new_switch", json!(false)), ("corda_config", Value::Null), ("peft_version", json!("9.9"))]
    {
        let dir = copy_adapter("llada");
        edit(&dir.path().join("adapter_config.json"), key, Some(value));
        assert!(Adapter::load(dir.path(), model.spec(), Device::Cpu).is_ok(), "{key}");
    }
}

#[test]
fn an_adapter_for_another_model_is_refused() {
    let (llada, dream, mmada) = (load("llada"), load("dream"), load("mmada"));
    let error = Adapter::load(&fixture("dream").join("adapter"), llada.spec(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("another model"), "{error}");
    // The names match, the shapes do not.
    let error = Adapter::load(&fixture("llada").join("adapter"), mmada.spec(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("does not fit") && error.contains("lora_A"), "{error}");
    let adapter = fixture_adapter("llada", &llada);
    let row = canvas(&dream, 3, 3);
    let result = dream.forward(Call::new(&[&row], &[(0, 0)]).with_adapter(Some(&adapter)));
    assert!(matches!(result, Err(ModelError::Adapter(_))));
}

#[test]
fn tensors_the_config_does_not_ask_for_are_refused() {
    let model = load("llada");
    let dir = copy_adapter("llada");
    edit(&dir.path().join("adapter_config.json"), "target_modules", Some(json!(["q_proj"])));
    let error = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("target_modules") && error.contains("lora_"), "{error}");
}

const LLAMA: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// An adapter for the layers of LLaDA that have a name of Llama's.
fn trained_as_llama() -> tempfile::TempDir {
    let model = load("llada");
    let names = Targets::Names(["q_proj", "k_proj", "v_proj", "up_proj"].map(String::from).to_vec());
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::init(AdapterConfig::new(4, 8.0, names), model.spec(), 3, Device::Cpu).unwrap();
    adapter.save(dir.path(), model.spec()).unwrap();
    edit(&dir.path().join("adapter_config.json"), "target_modules", Some(json!(LLAMA)));
    dir
}

fn weights(dir: &Path) -> std::path::PathBuf {
    dir.join("adapter_model.safetensors")
}

fn refused(dir: &Path, model: &Transformer) -> String {
    Adapter::load(dir, model.spec(), Device::Cpu).err().map(|e| e.to_string()).unwrap_or_else(|| panic!("it loads"))
}

#[test]
fn an_adapter_whose_names_are_more_than_the_model_has_loads_and_says_which() {
    let model = load("llada");
    let dir = trained_as_llama();
    let adapter = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap();
    assert_eq!(adapter.pairs().count(), 4 * model.spec().layers);
    let notes = adapter.notes().join(" ");
    assert!(["o_proj", "gate_proj", "down_proj"].iter().all(|n| notes.contains(n)), "{notes}");
    assert!(!notes.contains("q_proj") && !notes.contains("up_proj"), "{notes}");
    assert!(fixture_adapter("llada", &model).notes().is_empty());
}

#[test]
fn a_tensor_without_a_layer_is_refused_by_its_name() {
    let model = load("llada");
    for extra in [
        "base_model.model.model.transformer.blocks.1.o_proj.lora_A.weight",
        "base_model.model.model.transformer.blocks.9.q_proj.lora_B.weight",
        "base_model.model.model.transformer.wte.lora_embedding_A",
        "base_model.model.model.transformer.blocks.0.q_proj.lora_magnitude_vector",
        "base_model.model.model.transformer.ff_out.modules_to_save.default.weight",
        "base_model.model.q_proj.lora_A.weight",
        "base_model.model.model.transformer.blocks.0.q_proj.lora_A.bias",
        "step",
    ] {
        let dir = trained_as_llama();
        let mut tensors = read_tensors(&weights(dir.path()));
        let like = tensors[0].clone();
        tensors.push((extra.to_owned(), like.1, like.2, like.3));
        write_tensors(&weights(dir.path()), &tensors);
        let error = refused(dir.path(), &model);
        assert!(error.contains(extra) && error.contains("adapter_model.safetensors"), "{extra}: {error}");
    }
}

#[test]
fn a_factor_that_is_missing_is_refused_by_its_name() {
    let model = load("llada");
    for side in ["lora_A", "lora_B"] {
        let dir = trained_as_llama();
        let gone = format!("base_model.model.model.transformer.blocks.1.v_proj.{side}.weight");
        let kept: Vec<_> = read_tensors(&weights(dir.path())).into_iter().filter(|t| t.0 != gone).collect();
        write_tensors(&weights(dir.path()), &kept);
        let error = refused(dir.path(), &model);
        assert!(error.contains(&gone) && error.contains("missing"), "{error}");
    }
}

#[test]
fn names_that_peft_and_training_tools_write_otherwise_find_their_layers() {
    let model = load("llada");
    let plain = fixture_adapter("llada", &model);
    for to in [
        |n: &str| n.replace(".weight", ".default.weight"),
        |n: &str| n.replace("base_model.model.", "base_model.model._orig_mod."),
        |n: &str| n.replace("blocks.0.", "blocks.0._orig_mod."),
        |n: &str| n.replace("base_model.model.", ""),
        |n: &str| n.replace("base_model.model.model.", "base_model.model."),
        |n: &str| format!("module.{n}"),
        |n: &str| format!("_orig_mod.{n}"),
        |n: &str| n.replace("base_model.model.", "base_model.model.base_model.model."),
    ] {
        let dir = copy_adapter("llada");
        rename(&weights(dir.path()), to);
        let other = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap_or_else(|e| panic!("{e}"));
        let (a, b) = (plain.tensors(), other.tensors());
        assert!(a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && distance(a.1, b.1) == 0.0));
    }
    // Two adapters in one file are not one.
    let dir = copy_adapter("llada");
    let mut tensors = read_tensors(&weights(dir.path()));
    let mut twin = tensors[0].clone();
    twin.0 = twin.0.replace(".weight", ".reference.weight");
    tensors.push(twin);
    write_tensors(&weights(dir.path()), &tensors);
    assert!(refused(dir.path(), &model).contains("several adapters"));
}

#[test]
fn an_expression_with_look_around_is_left_to_the_factors_that_are_there() {
    let model = load("llada");
    let plain = fixture_adapter("llada", &model);
    for pattern in [r"(?!.*lm_head).*\.(q_proj|v_proj)", r".*(?<!gate)_proj", r"(.*)\.(\d+)\.\2"] {
        let dir = copy_adapter("llada");
        edit(&dir.path().join("adapter_config.json"), "target_modules", Some(json!(pattern)));
        let adapter = Adapter::load(dir.path(), model.spec(), Device::Cpu).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(adapter.pairs().count(), plain.pairs().count());
        assert!(adapter.notes().join(" ").contains("look-around"));
    }
    let dir = copy_adapter("llada");
    edit(&dir.path().join("adapter_config.json"), "target_modules", Some(json!("(")));
    let error = refused(dir.path(), &model);
    assert!(error.contains("adapter_config.json") && error.contains("regular expression"), "{error}");
}

#[test]
fn files_that_are_no_adapter_say_what_they_are() {
    let model = load("llada");
    let dir = copy_adapter("llada");
    std::fs::rename(weights(dir.path()), dir.path().join("adapter_model.bin")).unwrap();
    let error = refused(dir.path(), &model);
    assert!(error.contains("adapter_model.bin") && error.contains("pickle") && error.contains("save_file"), "{error}");
    let error = refused(&fixture("llada"), &model);
    assert!(error.contains("is a checkpoint"), "{error}");
    let dir = copy_adapter("llada");
    edit(&dir.path().join("adapter_config.json"), "rank_pattern", Some(json!({"(?!x)q_proj": 2})));
    let error = refused(dir.path(), &model);
    assert!(error.contains("adapter_config.json") && error.contains("look-around"), "{error}");
}

/// d f / d w for a few entries of every factor against (f(w + h) - f(w - h)) / 2h, f a weighted sum of logits.
#[test]
fn gradients_of_every_factor_agree_with_finite_differences() {
    for (name, model) in models(&["llada", "dream"]) {
        let mut adapter = fixture_adapter(name, &model);
        adapter.set_trainable(true);
        let row = canvas(&model, 5, 5);
        let want: Vec<Slot> = (5..10).map(|p| (0, p)).collect();
        let weights = Tensor::arange(5 * model.spec().vocab as i64, (Kind::Float, model.device())).sin().view([5, -1]);
        let value = |adapter: &Adapter| {
            (model.forward(Call::new(&[&row], &want).with_adapter(Some(adapter))).unwrap() * &weights).sum(Kind::Double)
        };
        value(&adapter).backward();
        for (tensor_name, tensor) in adapter.tensors() {
            let gradient = tensor.grad();
            assert!(gradient.abs().max().double_value(&[]) > 0.0, "{tensor_name} receives no gradient");
            let best = gradient.abs().flatten(0, -1).argmax(-1, false).int64_value(&[]);
            let (flat, h) = (tensor.detach().view([-1]), 1e-2);
            let at = |shift: f64| {
                tch::no_grad(|| {
                    let _ = flat.narrow(0, best, 1).g_add_scalar_(shift);
                    let v = value(&adapter).double_value(&[]);
                    let _ = flat.narrow(0, best, 1).g_add_scalar_(-shift);
                    v
                })
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            let exact = gradient.flatten(0, -1).double_value(&[best]);
            assert!((numeric - exact).abs() < 2e-2 * exact.abs() + 1e-2, "{tensor_name}: {numeric} {exact}");
        }
    }
}

#[test]
fn layers_are_counted_block_after_block_with_the_head_behind() {
    for (name, leaves, head) in [
        (
            "llada",
            ["q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "ff_out"],
            "model.transformer.ff_out",
        ),
        ("dream", LLAMA, "lm_head"),
    ] {
        let model = load(name);
        let linears = &model.spec().linears;
        for (i, linear) in linears.iter().enumerate().take(linears.len() - 1) {
            let block = linear.block.unwrap();
            let leaf = leaves[i - block * leaves.len()];
            assert!(linear.name.ends_with(&format!(".{block}.{leaf}")) || linear.name.contains(leaf), "{i} {linear:?}");
            let biased = name == "dream" && ["q_proj", "k_proj", "v_proj"].contains(&leaf);
            assert_eq!(linear.bias, biased, "{linear:?}");
        }
        let last = linears.last().unwrap();
        assert_eq!((last.name.as_str(), last.block, last.outputs), (head, None, model.spec().vocab));
        // The weights of a model and its linear layers go by the same names.
        let weights: Vec<String> = model.parameters().into_iter().map(|(name, _)| name).collect();
        assert!(linears.iter().all(|l| weights.contains(&format!("{}.weight", l.name))));
        assert!(linears.iter().all(|l| weights.contains(&format!("{}.bias", l.name)) == l.bias));
    }
}

#[test]
fn an_adapter_on_the_fly_scores_as_one_merged_into_the_weights() {
    for (name, mut model) in models(&["llada", "dream"]) {
        let adapter = fixture_adapter(name, &model);
        let row = canvas(&model, 9, 9);
        let (plain, fly) = (logits(&model, &row), adapted(&model, &adapter, &row));
        assert!(distance(&plain, &fly) > 1e-2, "{name}");
        model.merge(&adapter).unwrap();
        assert!(distance(&logits(&model, &row), &fly) < 2.0 * rounding(&model), "{name}");
    }
}

#[test]
fn an_adapter_larger_than_memory_is_refused_before_it_is_made() {
    let model = load("llada");
    let targets = Targets::Pattern(model.spec().block_linears.clone());
    let config = AdapterConfig::new(1 << 50, 1.0, targets);
    let error = Adapter::init(config, model.spec(), 0, Device::Cpu).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    assert!(error.to_string().contains("rank 1125899906842624"), "{error}");
}
