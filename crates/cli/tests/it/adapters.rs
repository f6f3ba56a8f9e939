use crate::{copy, edit, line};
use serde_json::json;

#[test]
fn names_of_an_adapter_that_match_nothing_are_said_and_change_nothing() {
    let dir = copy("llada");
    let (model, config) = (dir.path(), dir.path().join("adapter/adapter_config.json"));
    let answer = |flags: &str| {
        let adapter = model.join("adapter");
        line(
            &format!("generate --model {{m}} --adapter {{a}} --prompt hello --gen-length 16 --json{flags}"),
            &[("m", model), ("a", &adapter)],
        )
        .ok()
    };
    let plain = answer("");
    assert!(!plain.stderr.contains("target_modules"), "{}", plain.stderr);
    // Of the layers called ff_out the fixture adapts those of the blocks, not the head.
    let names = ["q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "blocks.0.ff_out", "blocks.1.ff_out"];
    let names = [&names[..], &["o_proj", "gate_proj"]].concat();
    edit(&config, "target_modules", json!(names));
    let more = answer("");
    assert_eq!(more.stdout, plain.stdout);
    assert!(more.stderr.contains("o_proj, gate_proj") && more.stderr.contains("adapter"), "{}", more.stderr);
    assert!(!answer(" --quiet").stderr.contains("o_proj"));
}

#[test]
fn a_config_that_asks_for_other_numbers_ends_the_command_with_file_and_key() {
    for (name, key, value) in [
        ("dream", "rope_parameters", json!({"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6})),
        ("llada", "rope_scaling", json!({"type": "dynamic", "factor": 2.0})),
        ("llada", "quantization_config", json!({"quant_method": "gptq"})),
    ] {
        let dir = copy(name);
        edit(&dir.path().join("config.json"), key, value);
        let run = line("generate --model {m} --prompt hello --gen-length 8", &[("m", dir.path())]);
        let said = run.stderr.contains("config.json") && run.stderr.contains(key);
        assert!(run.code == 2 && said && run.stdout.is_empty(), "{}", run.stderr);
    }
}
