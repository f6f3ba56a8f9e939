//! Models with experts and the other families that have no fixture: made with random weights, then read back.

use crate::{canvas, distance, edit, logits, open, read_tensors, write_tensors};
use mosa_model::{
    Adapter, AdapterConfig, Attention, Call, DenoisingModel, KvCache, LinearKind, ModelConfig, Row, Slot, Targets,
    TrainableModel, Transformer,
};
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn with(mut config: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

fn common() -> Value {
    json!({
        "hidden_act": "silu", "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 10000, "vocab_size": 310,
        "max_position_embeddings": 256, "eos_token_id": 300, "pad_token_id": 300,
        "num_experts": 8, "num_experts_per_tok": 2
    })
}

fn llada_moe() -> Value {
    let own = json!({
        "architectures": ["LLaDAMoEModelLM"], "model_type": "llada", "qk_layernorm": true, "moe_layer_freq": [0, 1, 1],
        "dense_intermediate_size": 40, "expert_intermediate_size": 24, "shared_expert_intermediate_size": 16,
        "num_key_value_heads": 4
    });
    with(common(), own)
}

fn llada2() -> Value {
    let own = json!({
        "architectures": ["LLaDA2MoeModelLM"], "head_dim": 16, "use_bias": false, "intermediate_size": 40,
        "moe_intermediate_size": 24, "first_k_dense_replace": 1, "n_group": 4, "topk_group": 2,
        "num_shared_experts": 2, "partial_rotary_factor": 0.25
    });
    with(common(), own)
}

fn sdar_moe() -> Value {
    let own = json!({
        "architectures": ["SDARMoeForCausalLM"], "head_dim": 16, "intermediate_size": 40, "moe_intermediate_size": 24,
        "mlp_only_layers": [0], "norm_topk_prob": true, "block_size": 4, "mask_token_id": 303
    });
    with(common(), own)
}

fn illada() -> Value {
    let own = json!({
        "architectures": ["ILLaDAForCausalLM"], "intermediate_size": 40, "tie_word_embeddings": true
    });
    let mut config = with(common(), own);
    let map = config.as_object_mut().unwrap();
    map.remove("num_experts");
    map.remove("num_experts_per_tok");
    config
}

fn all() -> [(&'static str, Value); 4] {
    [("llada-moe", llada_moe()), ("llada2", llada2()), ("sdar-moe", sdar_moe()), ("illada", illada())]
}

/// A folder with this config and a tokeniser that adds the mask tokens.
fn folder(config: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let added = json!({"303": {"content": "<|mask|>"}, "304": {"content": "<[MASK]>"}});
    let tokenizer = json!({"added_tokens_decoder": added, "chat_template": "{{ messages }}"});
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), tokenizer.to_string()).unwrap();
    dir
}

/// The same with random weights; what is added to scores for the choice of experts differs between them.
fn checkpoint(config: &Value) -> tempfile::TempDir {
    let dir = folder(config);
    let config = ModelConfig::read(&dir.path().join("config.json")).unwrap();
    Transformer::fresh(&config, 7, Kind::Float, Device::Cpu).unwrap().save(dir.path()).unwrap();
    let path = dir.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    for (_, _, shape, bytes) in tensors.iter_mut().filter(|t| t.0.ends_with("expert_bias")) {
        *bytes = (0..shape[0]).flat_map(|e| (0.2 * (e as f32 * 2.3).sin()).to_le_bytes()).collect();
    }
    write_tensors(&path, &tensors);
    dir
}

#[test]
fn a_saved_model_is_read_back_under_its_published_names() {
    for (name, config) in all() {
        let dir = checkpoint(&config);
        let model = open(dir.path()).unwrap();
        assert!(model.unused_tensors().is_empty(), "{name}: {:?}", model.unused_tensors());
        let counted: usize = model.parameters().iter().map(|(_, t)| t.numel()).sum();
        assert_eq!(counted, model.config().parameters(), "{name}");
        let scores = logits(&model, &canvas(&model, 9, 8));
        assert!(bool::try_from(scores.isfinite().all()).unwrap(), "{name}");
    }
    let model = open(checkpoint(&llada2()).path()).unwrap();
    let names: Vec<String> = model.parameters().into_iter().map(|(name, _)| name).collect();
    for name in [
        "model.layers.0.attention.query_key_value.weight",
        "model.layers.0.mlp.gate_proj.weight",
        "model.layers.1.attention.key_layernorm.weight",
        "model.layers.1.mlp.gate.weight",
        "model.layers.1.mlp.gate.expert_bias",
        "model.layers.2.mlp.experts.7.down_proj.weight",
        "model.layers.2.mlp.shared_experts.up_proj.weight",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
    assert_eq!(model.spec().attention, Attention::BlockCausal { block: 32 });
    assert_eq!((model.spec().mask, open(checkpoint(&illada()).path()).unwrap().spec().mask), (303, 304));
}

/// Experts that are all the same are one dense layer, whoever is chosen: weights that add up to one leave nothing else.
#[test]
fn a_model_whose_experts_are_alike_is_the_dense_one() {
    let dir = checkpoint(&with(sdar_moe(), json!({"mlp_only_layers": []})));
    let path = dir.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    let firsts: Vec<_> = tensors.iter().filter(|t| t.0.contains(".experts.0.")).cloned().collect();
    for first in &firsts {
        let alike = |name: &str| (1..8).any(|e| name == first.0.replace(".experts.0.", &format!(".experts.{e}.")));
        tensors.iter_mut().filter(|t| alike(&t.0)).for_each(|t| t.3.clone_from(&first.3));
    }
    write_tensors(&path, &tensors);
    let dense = folder(&with(sdar_moe(), json!({"architectures": ["SDARForCausalLM"], "intermediate_size": 24})));
    edit(&dense.path().join("config.json"), "num_experts", None);
    tensors.retain(|t| !t.0.contains(".mlp.gate.") && (!t.0.contains(".experts.") || t.0.contains(".experts.0.")));
    tensors.iter_mut().for_each(|t| t.0 = t.0.replace("experts.0.", ""));
    write_tensors(&dense.path().join("model.safetensors"), &tensors);
    let (routed, dense) = (open(dir.path()).unwrap(), open(dense.path()).unwrap());
    let row = canvas(&dense, 13, 8);
    let off = distance(&logits(&routed, &row), &logits(&dense, &row));
    assert!(off < 1e-4, "{off}");
}

#[test]
fn the_usual_targets_leave_routers_and_routed_experts_alone() {
    let model = open(checkpoint(&llada2()).path()).unwrap();
    let spec = model.spec();
    let kinds = |targets: Targets| -> Vec<LinearKind> {
        targets.select(&spec.linears, None).unwrap().into_iter().map(|i| spec.linears[i].kind).collect()
    };
    let usual = kinds(Targets::Pattern(spec.block_linears.clone()));
    assert!(usual.iter().all(|k| *k == LinearKind::Common));
    // Per layer: attention 2; a dense part 3; shared experts 3.
    assert_eq!(usual.len(), 3 * 2 + 3 + 2 * 3);
    let every = kinds(Targets::AllLinear);
    assert_eq!(every.len(), usual.len() + 2 * 8 * 3);
    assert!(!every.contains(&LinearKind::Router));
    assert_eq!(kinds(Targets::Pattern(r".*\.mlp\.gate".into())), [LinearKind::Router; 2]);
    assert_eq!(kinds(Targets::Names(vec!["gate".into()])), [LinearKind::Router; 2]);
    assert_eq!(kinds(Targets::Pattern(r".*\.experts\.\d+\.up_proj".into())), [LinearKind::Expert; 16]);
}

#[test]
fn work_counts_the_experts_a_position_goes_through_and_not_the_others() {
    let dir = folder(&llada2());
    let few = ModelConfig::read(&dir.path().join("config.json")).unwrap();
    edit(&dir.path().join("config.json"), "num_experts", Some(json!(64)));
    let many = ModelConfig::read(&dir.path().join("config.json")).unwrap();
    let more = many.multiply_adds(1, 1, 1) - few.multiply_adds(1, 1, 1);
    assert_eq!(more, 2.0 * 48.0 * 56.0, "only the router grows");
    assert!(many.parameters() > 3 * few.parameters());
}

#[test]
fn rows_of_one_pass_score_as_alone() {
    for (name, config) in all() {
        let model = open(checkpoint(&config).path()).unwrap();
        let rows = [canvas(&model, 9, 14), canvas(&model, 30, 11), canvas(&model, 4, 3)];
        let views: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let want: Vec<Slot> =
            rows.iter().enumerate().flat_map(|(r, row)| (0..row.len()).map(move |p| (r, p))).collect();
        let together = tch::no_grad(|| model.forward(Call::new(&views, &want))).unwrap();
        let alone: Vec<Tensor> = rows.iter().map(|row| logits(&model, row)).collect();
        let off = distance(&together, &Tensor::cat(&alone, 0));
        assert!(off < 1e-4, "{name}: {off}");
    }
}

/// Block by block with a cache that grows, as without one; passes that only fill caches give no logits.
#[test]
fn a_canvas_computed_block_by_block_is_the_whole_one() {
    for (name, config, block) in [("sdar-moe", sdar_moe(), 4), ("llada2", llada2(), 5)] {
        let model = open(checkpoint(&config).path()).unwrap();
        let row = canvas(&model, 37, 30);
        let attention = Some(Attention::BlockCausal { block });
        let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
        let whole = [Row { attention, ..Row::new(&row) }].into();
        let whole = tch::no_grad(|| model.forward(Call::of(whole, &want))).unwrap();
        let (mut cache, mut parts, mut start) = (KvCache::new(), Vec::new(), 0);
        while start < row.len() {
            let end = (start + block).min(row.len());
            let noise = vec![model.spec().mask; end - start];
            // The first pass fills the cache with something else, which the second writes over.
            for (tokens, asked) in [(&noise[..], start..start), (&row[start..end], start..end)] {
                let scored: Vec<Slot> = asked.map(|p| (0, p)).collect();
                let rows = vec![Row { attention, ..Row::cached(tokens, start, &mut cache) }];
                let part = tch::no_grad(|| model.forward(Call::of(rows, &scored))).unwrap();
                assert_eq!(part.size(), [scored.len() as i64, model.spec().vocab as i64]);
                parts.push(part);
            }
            start = end;
            assert_eq!(cache.positions(), end);
        }
        let off = distance(&Tensor::cat(&parts, 0), &whole);
        assert!(off < 1e-4, "{name}: {off}");
    }
}

/// Through router, shared and routed experts: the change of a sum of logits along a step of the factors.
/// The same checkpoint with its weights in bf16, which are widened for every product.
fn narrow(dir: &Path) {
    let path = dir.join("model.safetensors");
    let mut tensors = read_tensors(&path);
    for (_, dtype, _, bytes) in &mut tensors {
        *dtype = safetensors::Dtype::BF16;
        *bytes = bytes.chunks(4).flat_map(|value| [value[2], value[3]]).collect();
    }
    write_tensors(&path, &tensors);
}

/// Gradient checkpointing over widened weights walks a tape back, where plain autograd would keep every weight widened.
#[test]
fn gradients_through_widened_experts_are_those_of_autograd() {
    for (name, config) in all() {
        let dir = checkpoint(&config);
        narrow(dir.path());
        let model = open(dir.path()).unwrap();
        let fresh = || {
            let config = AdapterConfig::new(2, 4.0, Targets::AllLinear);
            let mut adapter = Adapter::init(config, model.spec(), 3, Device::Cpu).unwrap();
            tch::no_grad(|| {
                for (_, pair) in adapter.pairs() {
                    let _ = pair.b.shallow_clone().fill_(0.02);
                }
            });
            adapter.set_trainable(true);
            adapter
        };
        let row = canvas(&model, 11, 6);
        let want = [(0, 3), (0, 12)];
        let (plain, walked) = (fresh(), fresh());
        let upstream = Tensor::ones([2, 48], (Kind::Float, Device::Cpu));
        let hidden = model.hidden(Call::new(&[&row], &want).with_adapter(Some(&plain))).unwrap();
        (hidden * &upstream).sum(Kind::Float).backward();
        let mut inputs = Vec::new();
        let call = || Call::new(&[&row], &want).with_adapter(Some(&walked));
        let _ = model.hidden_keeping_inputs(call(), &mut inputs).unwrap();
        model.backward(call(), inputs, upstream).unwrap();
        for ((tensor, one), (_, other)) in plain.tensors().iter().zip(walked.tensors()) {
            assert!(one.grad().defined() && other.grad().defined(), "{name} {tensor}");
            let off = distance(&one.grad(), &other.grad());
            assert!(off < 1e-4 * (1.0 + one.grad().abs().max().double_value(&[])), "{name} {tensor}: {off}");
        }
    }
}

#[test]
fn gradients_of_factors_of_experts_are_finite_differences() {
    for (name, config) in all() {
        let model = open(checkpoint(&config).path()).unwrap();
        let mut adapter =
            Adapter::init(AdapterConfig::new(2, 4.0, Targets::AllLinear), model.spec(), 3, Device::Cpu).unwrap();
        tch::no_grad(|| {
            for (_, pair) in adapter.pairs() {
                let _ = pair.b.shallow_clone().fill_(0.02);
            }
        });
        adapter.set_trainable(true);
        let row = canvas(&model, 11, 6);
        let want = [(0, 3), (0, 12)];
        let loss = |adapter: &Adapter| {
            let hidden = model.hidden(Call::new(&[&row], &want).with_adapter(Some(adapter))).unwrap();
            model.score(&hidden, Some(adapter)).unwrap().sin().sum(Kind::Double)
        };
        loss(&adapter).backward();
        let (step, mut along) = (1e-4, 0.0);
        // An expert that nobody went through has a gradient too: zero.
        assert!(adapter.tensors().iter().all(|(_, tensor)| tensor.grad().defined()), "{name}");
        let move_by = |step: f64| {
            tch::no_grad(|| {
                for (_, tensor) in adapter.tensors() {
                    let _ = tensor.shallow_clone().g_add_(&(tensor.grad().sign() * step));
                }
            });
        };
        for (_, tensor) in adapter.tensors() {
            along += tensor.grad().abs().sum(Kind::Double).double_value(&[]);
        }
        move_by(step);
        let up = tch::no_grad(|| loss(&adapter)).double_value(&[]);
        move_by(-2.0 * step);
        let down = tch::no_grad(|| loss(&adapter)).double_value(&[]);
        let measured = (up - down) / (2.0 * step);
        assert!((measured - along).abs() < 0.03 * along, "{name}: {measured} against {along}");
    }
}

#[test]
fn an_adapter_for_experts_merges_to_what_it_adds() {
    for (name, config) in all() {
        let dir = checkpoint(&config);
        let model = open(dir.path()).unwrap();
        let targets = Targets::Pattern(r"model\.layers\..*".into());
        let adapter = Adapter::init(AdapterConfig::new(2, 4.0, targets), model.spec(), 3, Device::Cpu).unwrap();
        tch::no_grad(|| {
            for (i, pair) in adapter.pairs() {
                let _ = pair.b.shallow_clone().fill_(0.01 * (1 + i % 3) as f64);
            }
        });
        adapter.save(&dir.path().join("adapter"), model.spec()).unwrap();
        let adapter = Adapter::load(&dir.path().join("adapter"), model.spec(), Device::Cpu).unwrap();
        let row = canvas(&model, 11, 6);
        let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
        let call = Call::new(&[&row], &want).with_adapter(Some(&adapter));
        let added = tch::no_grad(|| model.forward(call)).unwrap();
        let out = dir.path().join("merged");
        mosa_model::merge_checkpoint(dir.path(), model.spec(), &adapter, &out).unwrap();
        let merged = open(&out).unwrap();
        assert!(distance(&added, &logits(&merged, &row)) < 1e-3, "{name}");
        assert!(distance(&added, &logits(&model, &row)) > 1e-2, "{name}");
    }
}

fn refusal(config: &Value) -> String {
    let dir = folder(config);
    match ModelConfig::read(&dir.path().join("config.json")) {
        Ok(_) => panic!("{config} is read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn configs_that_cannot_be_computed_are_refused_by_key() {
    for (base, key, value) in [
        (llada_moe(), "num_experts", Value::Null),
        (llada_moe(), "num_experts_per_tok", json!(9)),
        (llada_moe(), "num_experts_per_tok", Value::Null),
        (llada_moe(), "expert_intermediate_size", Value::Null),
        (llada_moe(), "dense_intermediate_size", Value::Null),
        (llada_moe(), "moe_layer_freq", Value::Null),
        (llada_moe(), "moe_layer_freq", json!([1, 1])),
        (llada_moe(), "moe_layer_freq", json!([1, 2, 1])),
        (llada_moe(), "moe_router_score_function", json!("sigmoid")),
        (llada_moe(), "moe_router_enable_expert_bias", json!(true)),
        (llada_moe(), "norm_topk_prob", json!(true)),
        (llada_moe(), "router_num_group", json!(2)),
        (llada_moe(), "router_topk_group", json!(1)),
        (llada_moe(), "routed_scaling_factor", json!(2.5)),
        (llada_moe(), "partial_rotary_factor", json!(0.5)),
        (llada_moe(), "clip_qkv", json!(8)),
        (llada_moe(), "head_dim", json!(32)),
        (llada_moe(), "rope_scaling", json!({"rope_type": "yarn", "factor": 4})),
        (llada2(), "num_experts_per_tok", json!(5)),
        (llada2(), "n_group", json!(3)),
        (llada2(), "n_group", json!(8)),
        (llada2(), "topk_group", json!(5)),
        (llada2(), "score_function", json!("softmax")),
        (llada2(), "norm_topk_prob", json!(false)),
        (llada2(), "moe_router_enable_expert_bias", json!(false)),
        (llada2(), "router_dtype", json!("bf16")),
        (llada2(), "first_k_dense_replace", json!(4)),
        (llada2(), "intermediate_size", Value::Null),
        (llada2(), "moe_intermediate_size", Value::Null),
        (llada2(), "partial_rotary_factor", json!(0.0)),
        (llada2(), "partial_rotary_factor", json!(1.5)),
        (llada2(), "rotary_dim", json!(8)),
        (llada2(), "norm_head", json!(true)),
        (llada2(), "n_routed_experts", json!(8)),
        (llada2(), "num_experts", json!(1 << 30)),
        (llada2(), "block_size", json!(0)),
        (sdar_moe(), "block_size", Value::Null),
        (sdar_moe(), "mlp_only_layers", json!([3])),
        (sdar_moe(), "decoder_sparse_step", json!(0)),
        (sdar_moe(), "moe_intermediate_size", Value::Null),
        (sdar_moe(), "mask_token_id", Value::Null),
        (illada(), "layer_norm_eps", json!(1e-5)),
        (illada(), "rms_norm_eps", Value::Null),
        (illada(), "tie_word_embeddings", Value::Null),
        (illada(), "rope_scaling", json!({"rope_type": "linear", "factor": 2})),
        (illada(), "num_experts", json!(8)),
    ] {
        let error = refusal(&with(base.clone(), json!({ key: value })));
        assert!(error.contains("config.json") && error.contains(key), "{key} = {value}: {error}");
    }
}

#[test]
fn what_changes_nothing_or_is_the_published_default_is_accepted() {
    for (base, key, value) in [
        (llada2(), "n_group", json!(1)),
        (llada2(), "num_shared_experts", json!(0)),
        (llada2(), "num_key_value_heads", json!(0)),
        (llada2(), "rotary_dim", json!(4)),
        (llada2(), "block_size", json!(8)),
        (llada2(), "tie_word_embeddings", json!(true)),
        (llada2(), "use_qkv_bias", json!(true)),
        (llada2(), "rope_scaling", json!({"rope_type": "linear", "factor": 2})),
        (llada_moe(), "shared_expert_intermediate_size", Value::Null),
        (llada_moe(), "qk_layernorm", json!(false)),
        (sdar_moe(), "decoder_sparse_step", json!(2)),
        (illada(), "attention_bias", json!(true)),
        (illada(), "mlp_bias", json!(true)),
    ] {
        let mut config = with(base, json!({ key: value }));
        if key == "n_group" {
            config = with(config, json!({"topk_group": 1}));
        }
        let model = open(checkpoint(&config).path()).unwrap_or_else(|e| panic!("{key} = {value}: {e}"));
        let scores = logits(&model, &canvas(&model, 9, 8));
        assert!(bool::try_from(scores.isfinite().all()).unwrap(), "{key} = {value}");
    }
}

/// Loading a folder in which one thing was changed.
fn broken(config: &Value, change: impl Fn(&Path)) -> String {
    let dir = checkpoint(config);
    change(dir.path());
    match open(dir.path()) {
        Ok(_) => panic!("it loads"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn weights_that_do_not_fit_the_config_are_refused_by_name() {
    let more = broken(&llada2(), |dir| edit(&dir.join("config.json"), "num_experts", Some(json!(16))));
    assert!(more.contains("mlp.gate.weight") || more.contains("mlp.experts.8."), "{more}");
    let without = |suffix: &'static str| {
        broken(&llada2(), move |dir| {
            let path = dir.join("model.safetensors");
            let kept: Vec<_> = read_tensors(&path).into_iter().filter(|t| !t.0.ends_with(suffix)).collect();
            write_tensors(&path, &kept);
        })
    };
    for suffix in ["1.mlp.experts.3.up_proj.weight", "2.mlp.gate.expert_bias", "0.attention.query_layernorm.weight"] {
        let error = without(suffix);
        assert!(error.contains(suffix) && error.contains("is missing"), "{error}");
    }
}

#[test]
fn a_mask_id_comes_from_the_config_else_from_the_tokeniser_else_is_missed() {
    let dir = folder(&llada_moe());
    let (config, tokenizer) = (dir.path().join("config.json"), dir.path().join("tokenizer_config.json"));
    let mask = || ModelConfig::read(&config).map(|c| c.mask).map_err(|e| e.to_string());
    assert_eq!(mask(), Ok(303));
    let added = json!({"added_tokens": [{"id": 7, "content": "x"}, {"id": 305, "content": "<|mask|>"}], "model": {}});
    std::fs::write(dir.path().join("tokenizer.json"), added.to_string()).unwrap();
    assert_eq!(mask(), Ok(305));
    edit(&config, "mask_token_id", Some(json!(306)));
    assert_eq!(mask(), Ok(306));
    edit(&config, "mask_token_id", None);
    std::fs::write(dir.path().join("tokenizer.json"), "{\"added_tokens\": 3}").unwrap();
    assert!(mask().unwrap_err().contains("tokenizer.json"));
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    std::fs::remove_file(tokenizer).unwrap();
    let error = mask().unwrap_err();
    assert!(error.contains("`mask_token_id`") && error.contains("<|mask|>"), "{error}");
}

/// LLaDA2-mini has 14,592 layers of experts; what is looked up for each must not go through all of them.
#[test]
fn an_adapter_of_thousands_of_experts_is_found_its_layers_at_once() {
    let sizes = json!({
        "num_experts": 1024, "hidden_size": 8, "head_dim": 2, "moe_intermediate_size": 2, "intermediate_size": 4,
        "n_group": 8, "vocab_size": 310, "partial_rotary_factor": 1.0
    });
    let dir = folder(&with(llada2(), sizes));
    let config = ModelConfig::read(&dir.path().join("config.json")).unwrap();
    let model = Transformer::random(&config, 1, Kind::Float, Device::Cpu).unwrap();
    let spec = model.spec();
    assert!(spec.linears.len() > 6000);
    let paths = |range: std::ops::Range<usize>| spec.linears[range].iter().map(|l| l.name.clone()).collect::<Vec<_>>();
    // A list of whole paths, as tools write it.
    let targets = Targets::Names(paths(0..spec.linears.len() - 1));
    let adapter = Adapter::init(AdapterConfig::new(1, 1.0, targets), spec, 3, Device::Cpu).unwrap();
    adapter.save(dir.path(), spec).unwrap();
    let back = Adapter::load(dir.path(), spec, Device::Cpu).unwrap();
    assert_eq!(back.pairs().count(), spec.linears.len() - 1);
}
