use crate::{fixture, line, mosa};

#[test]
fn inspect_tells_what_a_checkpoint_is() {
    let facts = line("inspect {m} --json", &[("m", &fixture("llada"))]).ok().json().remove(0);
    assert_eq!(facts["family"], "LLaDA");
    assert_eq!(
        (facts["heads"].as_u64(), facts["kv_heads"].as_u64(), facts["context"].as_u64()),
        (Some(6), Some(2), Some(256))
    );
    assert!(facts["mask"].as_str().unwrap().ends_with("<|mdm_mask|>"));
    assert_eq!(facts["lora_modules"], 14);
    let plain = line("inspect {m}", &[("m", &fixture("dream"))]).ok().stdout;
    assert!(plain.contains("Dream") && plain.contains("<|mask|>") && plain.contains("scores next position"), "{plain}");
}

#[test]
fn doctor_says_what_is_there_and_how_to_get_the_rest() {
    let report = mosa(&["doctor", "--json"]).ok().json().remove(0);
    assert!(report["libtorch"].as_str().unwrap().starts_with("2.11"), "{report}");
    assert!(report["cpu_threads"].as_u64().unwrap() > 0);
    assert!(report["cuda"].is_string() && report["memory"].is_string());
    assert!(mosa(&["doctor"]).ok().stdout.contains("libtorch"));
}

#[test]
fn a_merged_checkpoint_answers_as_model_and_adapter_did() {
    let dir = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("dream"), dir.path().join("merged"));
    let paths = [("m", model.as_path()), ("o", out.as_path())];
    line("merge --model {m} --adapter {m}/adapter --out {o}", &paths).ok();
    let answer = |flags: &str| {
        line(&format!("generate --prompt hello --gen-length 16 --json --alg entropy {flags}"), &paths).ok().stdout
    };
    assert_eq!(answer("--model {o}"), answer("--model {m} --adapter {m}/adapter"));
    let again = line("merge --model {m} --adapter {m}/adapter --out {o}", &paths);
    assert!(again.code == 2 && again.stderr.contains("already exists"));
}

#[test]
fn a_benchmark_reports_the_keys_scripts_rely_on() {
    for source in ["--model {m}", "--config {m}/config.json"] {
        let run = line(
            &format!(
                "bench generate {source} --prompt-len 9 --gen-length 16 --steps 8 --block-length 8 --batch-size 2 --tokens --json"
            ),
            &[("m", &fixture("llada"))],
        );
        let report = run.ok().json().remove(0);
        for key in [
            "seconds",
            "forward_seconds",
            "tokens_per_s",
            "forwards_per_s",
            "ms_per_forward",
            "share_outside_model",
            "fraction_of_gemm",
        ] {
            assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
        }
        assert_eq!((report["forwards"].as_u64(), report["batch"].as_u64()), (Some(16), Some(2)));
        assert_eq!(report["ids"].as_array().unwrap().len(), 2);
        assert_eq!(report["ids"][0].as_array().unwrap().len(), 16);
        assert!(report["prompt_ids"][1].as_array().unwrap().iter().all(|t| t.as_u64().unwrap() < 256));
    }
}

#[test]
fn a_suffix_search_benchmark_reports_its_speed_and_what_it_computed() {
    let flags = "--prompt-len 12 --gen-length 16 --suffix-len 5 --target-len 4 --offset 3 --candidates 9";
    let bench = |extra: &str| {
        let run = line(&format!("bench gcg --model {{m}} {flags} --tokens --json{extra}"), &[("m", &fixture("dream"))]);
        run.ok().json().remove(0)
    };
    let (together, alone) = (bench(""), bench(" --rows-per-pass 1"));
    for key in ["seconds", "candidates_per_s", "gradient_seconds", "draw_seconds", "seconds_per_iteration"] {
        assert!(together[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert_eq!(together["substitutions"], alone["substitutions"]);
    let losses = |report: &serde_json::Value| -> Vec<f64> {
        report["candidate_losses"].as_array().unwrap().iter().map(|l| l.as_f64().unwrap()).collect()
    };
    assert_eq!(losses(&together).len(), 9);
    assert!(losses(&together).iter().zip(losses(&alone)).all(|(a, b)| (a - b).abs() < 1e-4));
    let refused = line("bench gcg --model {m} --prompt-len 4 --suffix-len 5", &[("m", &fixture("dream"))]);
    assert!(refused.code == 2 && refused.stderr.contains("--suffix-len"), "{}", refused.stderr);
}

#[test]
fn an_alignment_benchmark_reports_the_time_and_the_loss_of_a_step() {
    let bench = |extra: &str| {
        let flags = "--prompt-len 9 --gen-length 70 --batch-size 3 --rank 4 --repeats 1";
        line(&format!("bench align --model {{m}} {flags} --json{extra}"), &[("m", &fixture("llada"))])
            .ok()
            .json()
            .remove(0)
    };
    let (whole, split) = (bench(""), bench(" --micro-batch-size 1"));
    for key in ["seconds_per_step", "prompts_per_s", "seconds_for_3000_prompts", "first_grad_norm"] {
        assert!(whole[key].as_f64().unwrap() > 0.0, "{key}");
    }
    let loss = |report: &serde_json::Value| report["first_loss"].as_f64().unwrap();
    assert!((loss(&whole) - loss(&split)).abs() < 1e-2, "the same loss however the batch is split");
}

#[test]
fn wrong_use_exits_with_2_and_help_with_0() {
    assert_eq!(mosa(&["generate"]).code, 2);
    assert_eq!(mosa(&["dance"]).code, 2);
    for command in ["generate", "align", "verify", "inspect", "merge", "bench", "doctor", "quickstart", "world"] {
        assert!(mosa(&[command, "--help"]).ok().stdout.contains("Usage"));
    }
}
