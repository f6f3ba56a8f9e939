use crate::{command, fixture, line, mosa, prompt_file, read_json};
use serde_json::Value;
use std::path::Path;

const SMALL: &str = "--set canvas_length=64 --set lora.r=4 --set lr=0.005";

fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn an_alignment_raises_the_reward_and_its_adapter_changes_the_answer() {
    for name in ["llada", "dream", "mmada"] {
        let dir = tempfile::tempdir().unwrap();
        let (model, data, out) = (fixture(name), prompt_file(dir.path(), 9), dir.path().join("run"));
        let paths = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path())];
        let run =
            line(&format!("align --model {{m}} --data {{d}} --out {{o}} --set steps=12 {SMALL} --json"), &paths).ok();
        let steps = metrics(&out);
        assert_eq!((steps.len(), run.json().len()), (12, 12));
        let gain = |m: &Value| m["reward"].as_f64().unwrap() - m["reward_reference"].as_f64().unwrap();
        assert_eq!((gain(&steps[0]), steps[0]["kl"].as_f64().unwrap()), (0.0, 0.0));
        assert!(gain(&steps[11]) > 5.0, "{name}: {}", gain(&steps[11]));
        for key in ["loss", "grad_norm", "lr", "tokens_per_s", "reward_pos", "reward_neg"] {
            assert!(steps[3][key].is_f64(), "{key}");
        }
        let config = read_json(&out.join("adapter/adapter_config.json"));
        assert_eq!((&config["r"], &config["peft_type"]), (&4.into(), &"LORA".into()));
        let answer = |adapter: &str| {
            line(&format!("generate --model {{m}} --prompt hello --gen-length 64 --json{adapter}"), &paths)
                .ok()
                .json()
                .remove(0)
        };
        assert_ne!(answer("")["ids"], answer(" --adapter {o}/adapter")["ids"], "{name}");
    }
}

#[test]
fn the_same_command_trains_the_same_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (fixture("llada"), prompt_file(dir.path(), 9));
    let train = |out: &str, extra: &str| {
        let out = dir.path().join(out);
        line(
            &format!("align --model {{m}} --data {{d}} --out {{o}} --set steps=3 {SMALL}{extra}"),
            &[("m", &model), ("d", &data), ("o", &out)],
        )
        .ok();
        std::fs::read(out.join("adapter/adapter_model.safetensors")).unwrap()
    };
    let first = train("a", "");
    assert_eq!(first, train("b", ""));
    assert_ne!(first, train("c", " --set seed=1"));
    assert_ne!(first, train("d", " --objective initial"));
}

#[test]
fn settings_come_from_a_file_and_the_command_line_wins() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, out, file) =
        (fixture("mmada"), prompt_file(dir.path(), 4), dir.path().join("run"), dir.path().join("c.toml"));
    std::fs::write(
        &file,
        "steps = 1\nbeta = 0.2\ncanvas_length = 64\n[lora]\nr = 2\ntargets = [\"q_proj\", \"v_proj\"]\n",
    )
    .unwrap();
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("o", out.as_path()), ("c", file.as_path())];
    line("align --model {m} --data {d} --out {o} --config {c} --set beta=0.3 --limit 3", &paths).ok();
    let written = std::fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(
        written.contains("beta = 0.3") && written.contains("canvas_length = 64") && written.contains("r = 2"),
        "{written}"
    );
    assert_eq!(
        read_json(&out.join("adapter/adapter_config.json"))["target_modules"],
        serde_json::json!(["q_proj", "v_proj"])
    );
    assert!(metrics(&out)[0]["records"].as_array().unwrap().iter().all(|p| p.as_u64().unwrap() < 3));
}

#[test]
fn settings_and_data_that_cannot_be_used_are_refused_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data, long) = (fixture("llada"), prompt_file(dir.path(), 4), dir.path().join("long.txt"));
    std::fs::write(&long, "this sentence is far too long to fit into the window of forty-one tokens\n").unwrap();
    for (flags, expected) in [
        ("--set betta=1", "betta"),
        ("--set lora.rank=3", "rank"),
        ("--set lr=fast", "lr"),
        ("--set lr", "KEY=VALUE"),
        ("--set steps=0", "steps"),
        ("--set window=[90,100] --set canvas_length=64", "window"),
        ("--set canvas_length=250", "context"),
        ("--set lora.targets=o_proj", "matches no linear layer"),
        ("--config {d}", "prompts.jsonl"),
        ("--safe-sentences {l}", "does not fit into the window"),
        ("--adapter {m}/adapter", "--adapter"),
        ("--columns prompt=nothing", "no column"),
    ] {
        let out = dir.path().join("run");
        let run = line(
            &format!("align --model {{m}} --data {{d}} --out {{o}} {flags}"),
            &[("m", &model), ("d", &data), ("o", &out), ("l", &long)],
        );
        assert!(run.code == 2 && run.stderr.contains(expected), "{flags}: {} {}", run.code, run.stderr);
        assert!(!out.exists(), "{flags} left a run folder");
    }
    let run = line("align --model {m} --data {d} --out {t}", &[("m", &model), ("d", &data), ("t", dir.path())]);
    assert!(run.code == 2 && run.stderr.contains("not a run folder"), "{}", run.stderr);
    assert!(data.exists());
    let same = dir.path().join("same.jsonl");
    std::fs::write(&same, "{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\n").unwrap();
    let run =
        line("align --model {m} --data {d} --out {o}", &[("m", &model), ("d", &same), ("o", &dir.path().join("run"))]);
    assert!(run.code == 2 && run.stderr.contains("the same prompt"), "{}", run.stderr);
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_in_the_same_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let (model, data) = (fixture("llada"), prompt_file(dir.path(), 9));
    let words = |out: &Path| {
        let text = format!("align --model {{m}} --data {{d}} --out {{o}} {SMALL} --set steps=24 --set save_every=2");
        let fill = |w: &str| {
            let paths = [("{m}", model.as_path()), ("{d}", &data), ("{o}", out)];
            paths.iter().fold(w.to_owned(), |w, (name, path)| w.replace(name, &path.to_string_lossy()))
        };
        text.split(' ').map(fill).collect::<Vec<_>>()
    };
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    mosa(&words(&whole)).ok();
    let adapter = |out: &Path| std::fs::read(out.join("adapter/adapter_model.safetensors")).unwrap();
    for milliseconds in [300, 450, 550, 650, 800] {
        let mut child = command(&words(&killed)).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    mosa(&words(&killed)).ok();
    assert_eq!(adapter(&killed), adapter(&whole));
    let losses = |out: &Path| metrics(out).iter().map(|m| m["loss"].clone()).collect::<Vec<_>>();
    assert_eq!(losses(&killed), losses(&whole));
    assert_eq!(losses(&killed).len(), 24);

    let done = mosa(&words(&killed)).ok();
    assert!(done.stderr.contains("already done"));
    let mut other = words(&killed);
    other.extend(["--set".to_owned(), "beta=0.2".to_owned()]);
    let run = mosa(&other);
    assert!(run.code == 2 && run.stderr.contains("settings.beta was 0.05, is 0.2"), "{}", run.stderr);
}

#[test]
fn retain_prompts_contaminated_canvases_and_samples_are_options() {
    let dir = tempfile::tempdir().unwrap();
    let (model, out) = (fixture("llada"), dir.path().join("run"));
    let (data, retain) = (dir.path().join("d.jsonl"), dir.path().join("r.jsonl"));
    let rows = |n: usize, style: bool| -> String {
        let row = |i: usize| {
            let mut row =
                serde_json::json!({"id": format!("q{i}"), "prompt": format!("ask {i}"), "response": "so here you are"});
            if style {
                row["prompt_style"] = ["base", "slang"][i % 2].into();
            }
            row.to_string() + "\n"
        };
        (0..n).map(row).collect()
    };
    std::fs::write(&data, rows(12, true)).unwrap();
    std::fs::write(&retain, rows(5, false)).unwrap();
    let paths = [("m", model.as_path()), ("d", data.as_path()), ("r", retain.as_path()), ("o", out.as_path())];
    let flags = "--sample 6 --retain {r} --set retain.partly=0.5 --set contaminate.share=0.7 --set contaminate.tokens=[1,3] --set micro_batch_size=3";
    line(&format!("align --model {{m}} --data {{d}} --out {{o}} --set steps=3 {SMALL} {flags}"), &paths).ok();
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!(manifest["data"]["ids"].as_array().unwrap().len(), 6);
    assert_eq!(manifest["retain"]["ids"].as_array().unwrap().len(), 5);
    assert!(metrics(&out).iter().all(|m| m["kl_retain"].is_f64() && m["kl_inside"].is_f64()));
    let events = std::fs::read_dir(&out)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("events.out.tfevents."));
    assert_eq!(events.count(), 1);
}
