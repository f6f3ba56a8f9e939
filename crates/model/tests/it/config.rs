use crate::{canvas, copy, distance, edit, load, logits, open};
use mosa_model::{ModelConfig, Transformer};
use serde_json::{Value, json};

/// A copy of a fixture with these keys changed; null removes one.
fn changed(name: &str, keys: &[(&str, Value)]) -> Result<Transformer, String> {
    let dir = copy(name);
    for (key, value) in keys {
        let value = (*value != Value::Null).then(|| value.clone());
        edit(&dir.path().join("config.json"), key, value);
    }
    open(dir.path()).map_err(|e| e.to_string())
}

fn refused(name: &str, keys: &[(&str, Value)]) -> String {
    match changed(name, keys) {
        Err(error) => error,
        Ok(_) => panic!("{name} loads with {keys:?}"),
    }
}

fn difference(name: &str, a: &Transformer, b: &Transformer) -> f64 {
    let row = canvas(&load(name), 12, 12);
    distance(&logits(a, &row), &logits(b, &row))
}

#[test]
fn ways_to_say_that_rotation_is_the_default_change_nothing() {
    for name in ["llada", "dream", "mmada"] {
        let plain = load(name);
        let theta = plain.config().attention.rope.theta;
        for keys in [
            vec![("rope_scaling", json!({}))],
            vec![("rope_scaling", json!({"rope_type": "default"}))],
            vec![("rope_scaling", json!({"type": "default"}))],
            vec![("rope_scaling", json!({"type": "linear", "factor": 1.0}))],
            vec![("rope_scaling", json!({"type": "default", "rope_type": "default", "factor": 1.0}))],
            vec![("rope_parameters", json!({"rope_type": "default", "rope_theta": theta}))],
            vec![("rope_parameters", json!({"rope_theta": theta})), ("rope_theta", Value::Null)],
            vec![("rope_parameters", json!({"rope_theta": theta, "partial_rotary_factor": 1.0}))],
            vec![
                ("rope_parameters", json!({"rope_theta": theta, "rope_type": "default"})),
                ("rope_scaling", json!({"rope_type": "default"})),
                ("rope_theta", Value::Null),
            ],
            vec![("rope_parameters", json!({"full_attention": {"rope_theta": theta, "rope_type": "default"}}))],
            vec![("layer_types", json!(vec!["full_attention"; plain.config().layers()]))],
        ] {
            let model = changed(name, &keys).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(difference(name, &plain, &model), 0.0, "{name} {keys:?}");
        }
    }
}

#[test]
fn the_base_in_rope_parameters_is_the_one_used() {
    let old = changed("dream", &[("rope_theta", json!(100.0))]).unwrap();
    let new = changed(
        "dream",
        &[("rope_theta", Value::Null), ("rope_parameters", json!({"rope_theta": 100.0, "rope_type": "default"}))],
    )
    .unwrap();
    assert_eq!(difference("dream", &old, &new), 0.0);
    assert!(difference("dream", &load("dream"), &new) > 1e-3);
}

#[test]
fn linear_scaling_divides_the_positions_of_dream() {
    for scaling in [json!({"type": "linear", "factor": 4.0}), json!({"rope_type": "linear", "factor": 4})] {
        let scaled = changed("dream", &[("rope_scaling", scaling)]).unwrap();
        assert_eq!(scaled.config().attention.rope.factor, 4.0);
        let plain = load("dream");
        let (row, far) = (canvas(&plain, 8, 0), canvas(&plain, 8, 0));
        assert!(distance(&logits(&plain, &row), &logits(&scaled, &far)) > 1e-4);
    }
    // In the published code of LLaDA there is no scaling at all.
    let error = refused("llada", &[("rope_scaling", json!({"type": "linear", "factor": 4.0}))]);
    assert!(error.contains("rope_scaling.rope_type") && error.contains("linear"), "{error}");
}

#[test]
fn rotation_that_is_not_computed_is_refused_by_file_and_key() {
    for place in ["rope_scaling", "rope_parameters"] {
        for (value, said) in [
            (json!({"rope_type": "yarn", "factor": 4.0}), "yarn"),
            (json!({"type": "yarn", "factor": 4.0}), "yarn"),
            (json!({"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6, "beta_fast": 32}), "yarn"),
            (json!({"rope_type": "dynamic", "factor": 2.0}), "dynamic"),
            (json!({"rope_type": "ntk", "factor": 2.0}), "ntk"),
            (json!({"rope_type": "llama3", "factor": 8.0}), "llama3"),
            (json!({"rope_type": "longrope", "short_factor": [1.0]}), "longrope"),
            (json!({"type": "mrope", "mrope_section": [1, 1]}), "mrope"),
            (json!({"type": "linear", "rope_type": "default"}), "rope_type"),
            (json!({"factor": 4.0}), "rope_type"),
            (json!({"rope_type": "default", "factor": 4.0}), "factor"),
            (json!({"rope_type": "default", "mrope_section": [1, 1]}), "mrope_section"),
            (json!({"rope_type": "default", "partial_rotary_factor": 0.5}), "partial_rotary_factor"),
            (json!({"rope_type": 4}), "rope_type"),
            (json!("yarn"), "yarn"),
            (json!({"sliding_attention": {"rope_type": "default"}}), "sliding_attention"),
            (json!({"full_attention": {"rope_type": "yarn"}}), "yarn"),
            (
                json!({"full_attention": {"type": "default"}, "sliding_attention": {"type": "default"}}),
                "sliding_attention",
            ),
        ] {
            for name in ["llada", "dream", "mmada"] {
                let error = refused(name, &[(place, value.clone())]);
                let whole = error.contains("config.json") && error.contains(place) && error.contains(said);
                assert!(whole, "{name} {place} {value}: {error}");
            }
        }
    }
    for value in
        [json!({"type": "linear"}), json!({"type": "linear", "factor": 0}), json!({"type": "linear", "factor": "4"})]
    {
        assert!(refused("dream", &[("rope_scaling", value)]).contains("rope_scaling.factor"));
    }
}

#[test]
fn keys_about_rotation_that_contradict_each_other_are_refused() {
    let two = refused("dream", &[("rope_parameters", json!({"rope_theta": 5.0, "rope_type": "default"}))]);
    assert!(two.contains("rope_parameters.rope_theta") && two.contains("`rope_theta`"), "{two}");
    let scaled = refused(
        "dream",
        &[
            ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
            ("rope_parameters", json!({"rope_type": "default"})),
        ],
    );
    assert!(scaled.contains("rope_parameters") && scaled.contains("rope_scaling"), "{scaled}");
    let none = refused("dream", &[("rope_theta", Value::Null)]);
    assert!(none.contains("rope_theta") && none.contains("is missing"), "{none}");
}

#[test]
fn every_other_key_that_changes_the_numbers_is_refused_by_name() {
    for (name, key, value) in [
        ("dream", "partial_rotary_factor", json!(0.5)),
        ("dream", "layer_types", json!(["full_attention", "sliding_attention"])),
        ("dream", "use_sliding_window", json!(true)),
        ("dream", "use_mrope", json!(true)),
        ("dream", "mlp_bias", json!(true)),
        ("dream", "hidden_act", json!("gelu")),
        ("dream", "activation_type", json!("relu")),
        ("dream", "scale_logits", json!(true)),
        ("dream", "weight_tying", json!(true)),
        ("dream", "use_qk_norm", json!(true)),
        ("dream", "final_logit_softcapping", json!(30.0)),
        ("dream", "attn_logit_softcapping", json!(50.0)),
        ("dream", "logits_scaling", json!(8.0)),
        ("dream", "residual_multiplier", json!(0.22)),
        ("dream", "embedding_multiplier", json!(12)),
        ("dream", "attention_multiplier", json!(0.015)),
        ("dream", "query_pre_attn_scalar", json!(224)),
        ("dream", "num_experts", json!(8)),
        ("dream", "quantization_config", json!({"quant_method": "fp8"})),
        ("llada", "quantization_config", json!({"quant_method": "bitsandbytes", "load_in_4bit": true})),
        ("llada", "clip_qkv", json!(8.0)),
        ("llada", "alibi", json!(true)),
        ("llada", "input_emb_norm", json!(true)),
        ("llada", "attention_layer_norm", json!(true)),
        ("llada", "layer_norm_type", json!("gemma_rms")),
        ("llada", "layer_norm_with_affine", json!(false)),
        ("llada", "bias_for_layer_norm", json!(true)),
        ("llada", "multi_query_attention", json!(true)),
        ("llada", "hidden_act", json!("gelu")),
        ("llada", "attention_bias", json!(true)),
        ("llada", "sliding_window", json!(128)),
        ("llada", "head_dim", json!(16)),
        ("llada", "tie_word_embeddings", json!(true)),
        // Absent, the published code takes another value than this model has.
        ("llada", "activation_type", Value::Null),
        ("llada", "block_type", Value::Null),
        ("llada", "layer_norm_type", Value::Null),
        ("llada", "rope", Value::Null),
        ("llada", "weight_tying", Value::Null),
    ] {
        let error = refused(name, &[(key, value.clone())]);
        assert!(error.contains("config.json") && error.contains(&format!("`{key}`")), "{key} = {value}: {error}");
    }
    let error = refused("llada", &[("bias_for_layer_norm", Value::Null), ("include_bias", json!(true))]);
    assert!(error.contains("bias_for_layer_norm"), "{error}");
}

#[test]
fn keys_that_change_nothing_are_accepted() {
    for (name, key, value) in [
        ("dream", "hidden_act", json!("swish")),
        ("dream", "sliding_window", json!(4096)),
        ("dream", "attention_dropout", json!(0.1)),
        ("dream", "attention_bias", json!(true)),
        ("dream", "logits_scaling", json!(1.0)),
        ("dream", "final_logit_softcapping", json!(0.0)),
        ("dream", "clip_qkv", Value::Null),
        ("dream", "quantization_config", json!({})),
        ("dream", "transformers_version", json!("5.1.0")),
        ("dream", "dtype", json!("bfloat16")),
        ("dream", "auto_map", json!({"AutoModel": "x.Y"})),
        ("dream", "use_cache", json!(true)),
        ("dream", "something_new", json!({"a": [1]})),
        ("llada", "embedding_dropout", json!(0.1)),
        ("llada", "attention_bias", json!(false)),
        ("llada", "tie_word_embeddings", json!(false)),
        ("llada", "hidden_act", json!("silu")),
        ("llada", "flash_attention", json!(true)),
        ("llada", "n_kv_heads", Value::Null),
    ] {
        // Without `n_kv_heads` there are as many as heads, which this fixture has not.
        let result = changed(name, &[(key, value.clone())]);
        match (key, result) {
            ("n_kv_heads", Err(error)) => assert!(error.contains("k_proj") || error.contains("v_proj"), "{error}"),
            (_, result) => assert_eq!(result.map(|m| difference(name, &load(name), &m)), Ok(0.0), "{key} = {value}"),
        }
    }
}

#[test]
fn the_epsilon_of_the_norms_has_the_published_default() {
    for (name, eps) in [("llada", 1e-5), ("mmada", 1e-5), ("dream", 1e-6)] {
        let model = changed(name, &[("rms_norm_eps", Value::Null)]).unwrap();
        assert_eq!((model.config().norm_eps, difference(name, &load(name), &model)), (eps, 0.0), "{name}");
    }
    let error = refused("llada", &[("rms_norm_eps", json!(-1.0))]);
    assert!(error.contains("config.json") && error.contains("`rms_norm_eps`") && !error.contains("rope"), "{error}");
}

#[test]
fn an_error_about_the_config_names_its_file() {
    let dir = copy("llada");
    std::fs::write(dir.path().join("config.json"), "{\"rope_theta\": 1e999}").unwrap();
    let error = ModelConfig::read(&dir.path().join("config.json")).unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
}
