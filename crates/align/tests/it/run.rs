use crate::{fresh, load, made, settings};
use mosa_align::{AlignConfig, AlignError, Policy, RunFolder, Trainer};
use mosa_model::{Adapter, DenoisingModel};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tch::Device;

fn manifest() -> Value {
    json!({"settings": {"lr": 0.1, "beta": 0.05}, "data": ["a", "b"]})
}

/// Trains up to `until` of 9 steps in the folder, going on where it can; returns the final adapter's bytes.
fn train(dir: &Path, until: usize, save_every: usize) -> Vec<u8> {
    let model = load("llada");
    let config = AlignConfig { steps: Some(9), ..settings() };
    let folder = RunFolder::open(dir, &manifest()).unwrap();
    let from = folder.latest(|_| ()).unwrap();
    let mut adapter = match &from {
        Some(saved) => Adapter::load(&saved.dir, model.spec(), Device::Cpu).unwrap(),
        None => fresh(&model, 2),
    };
    adapter.set_trainable(true);
    let objective = made("mosa", &config, &model);
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).unwrap();
    if let Some(saved) = &from {
        trainer.resume(saved.step, &saved.moments(Device::Cpu).unwrap()).unwrap();
    }
    let (mut log, kept) = folder.metrics(trainer.step_number(), from.as_ref(), |_| ()).unwrap();
    assert_eq!(kept.len(), trainer.step_number());
    while trainer.step_number() < until {
        log.push(&trainer.step().unwrap()).unwrap();
        if trainer.step_number().is_multiple_of(save_every) {
            folder.save(&trainer, 2, &|d| adapter.save(d, model.spec())).unwrap();
        }
    }
    adapter.save(&dir.join("adapter"), model.spec()).unwrap();
    fs::read(dir.join("adapter/adapter_model.safetensors")).unwrap()
}

fn losses(dir: &Path) -> Vec<(usize, f64)> {
    let text = fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let line = |l: &str| serde_json::from_str::<Value>(l).unwrap();
    text.lines().map(line).map(|v| (v["step"].as_u64().unwrap() as usize, v["loss"].as_f64().unwrap())).collect()
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    let expected = train(&whole, 9, 2);
    // Ends after step 5, between two checkpoints; then after step 8, then at the end.
    train(&broken, 5, 2);
    assert_eq!(losses(&broken).len(), 5);
    train(&broken, 8, 2);
    assert_eq!(train(&broken, 9, 2), expected);
    assert_eq!(losses(&broken), losses(&whole));
}

#[test]
fn what_a_kill_leaves_behind_is_not_mistaken_for_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&run, 5, 2);
    let names = |prefix: &str| {
        let entries = fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<String> = entries.filter(|n| n.starts_with(prefix)).collect();
        all.sort();
        all
    };
    assert_eq!(names("checkpoint-"), ["checkpoint-000002", "checkpoint-000004"]);
    fs::create_dir(run.join("checkpoint-000006.partial")).unwrap();
    let half = fs::read_to_string(run.join("metrics.jsonl")).unwrap() + "{\"step\": 6, \"lo";
    fs::write(run.join("metrics.jsonl"), half).unwrap();
    assert_eq!(RunFolder::open(&run, &manifest()).unwrap().latest(|_| ()).unwrap().unwrap().step, 4);
    train(&run, 9, 2);
    assert_eq!(names("checkpoint-"), ["checkpoint-000006", "checkpoint-000008"], "only the newest two are kept");
    assert_eq!(losses(&run).iter().map(|(s, _)| *s).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!(names("events.out.tfevents.").len(), 1);
}

#[test]
fn a_folder_of_another_run_is_refused_with_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    RunFolder::open(&run, &manifest()).unwrap();
    RunFolder::open(&run, &manifest()).unwrap();
    let other = json!({"settings": {"lr": 0.2, "beta": 0.05}, "data": ["a", "b"]});
    let message = RunFolder::open(&run, &other).unwrap_err().to_string();
    assert!(message.contains("(settings.lr was 0.1, is 0.2)"), "{message}");
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "x").unwrap();
    assert!(matches!(RunFolder::open(&foreign, &manifest()), Err(AlignError::Records(_))));
}

#[test]
fn an_optimizer_of_another_adapter_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path().join("run").as_path(), 2, 2);
    let model = load("llada");
    let (adapter, objective) = (fresh(&model, 3), made("mosa", &settings(), &model));
    let saved = RunFolder::open(&dir.path().join("run"), &manifest()).unwrap().latest(|_| ()).unwrap().unwrap();
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), settings()).unwrap();
    let error = trainer.resume(2, &saved.moments(Device::Cpu).unwrap()).unwrap_err();
    assert!(matches!(&error, AlignError::Resume(what) if what.contains("exp_avg")), "{error}");
}

/// The names in a folder that begin like this.
fn names(dir: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = entries.filter(|n| n.starts_with(prefix)).collect();
    all.sort();
    all
}

/// A run of 8 steps with checkpoints at 6 and 8, in a folder of its own.
fn run_of_eight() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&run, 8, 2);
    assert_eq!(names(&run, "checkpoint-"), ["checkpoint-000006", "checkpoint-000008"]);
    (dir, run)
}

/// What a crash makes of a file.
type Damage = dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn a_last_checkpoint_that_a_crash_spoiled_is_said_and_the_one_before_it_taken() {
    let (_whole, uninterrupted) = run_of_eight();
    let expected = train(&uninterrupted, 9, 2);
    let zeroed = |bytes: &[u8]| vec![0; bytes.len()];
    let tail = |bytes: &[u8]| [&bytes[..bytes.len() - 64], &[0; 64]].concat();
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let empty = |_: &[u8]| Vec::new();
    let damages: [(&str, &Damage); 7] = [
        ("adapter_model.safetensors", &zeroed),
        ("adapter_model.safetensors", &tail),
        ("optimizer.safetensors", &cut),
        ("optimizer.safetensors", &empty),
        ("adapter_config.json", &zeroed),
        ("trainer_state.json", &zeroed),
        ("trainer_state.json", &cut),
    ];
    for (name, damage) in damages {
        let (_dir, run) = run_of_eight();
        let path = run.join("checkpoint-000008").join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, damage(&bytes)).unwrap();
        let mut said = Vec::new();
        let folder = RunFolder::open(&run, &manifest()).unwrap();
        let saved = folder.latest(|what| said.push(what)).unwrap().unwrap();
        assert_eq!(saved.step, 6, "{name}");
        assert!(said.len() == 1 && said[0].contains("checkpoint-000008") && said[0].contains("step 6"), "{said:?}");
        assert!(said[0].contains(name), "{said:?}");
        assert_eq!(names(&run, "checkpoint-"), ["checkpoint-000006"], "the step is saved anew when it comes");
        drop(folder);
        assert_eq!(train(&run, 9, 2), expected, "{name}");
        assert_eq!(losses(&run), losses(&uninterrupted), "{name}");
    }
}

#[test]
fn without_a_whole_checkpoint_training_begins_anew_and_says_so() {
    let (_dir, run) = run_of_eight();
    for checkpoint in ["checkpoint-000006", "checkpoint-000008"] {
        fs::write(run.join(checkpoint).join("trainer_state.json"), "").unwrap();
    }
    let mut said = Vec::new();
    let folder = RunFolder::open(&run, &manifest()).unwrap();
    assert_eq!(folder.latest(|what| said.push(what)).unwrap(), None);
    assert!(said.len() == 2 && said[1].contains("beginning anew"), "{said:?}");
}

#[test]
fn a_checkpoint_without_checksums_is_taken_if_its_files_are_complete() {
    let (_dir, run) = run_of_eight();
    let last = run.join("checkpoint-000008");
    fs::write(last.join("trainer_state.json"), "{\"global_step\": 8, \"total_steps\": 9}").unwrap();
    let folder = RunFolder::open(&run, &manifest()).unwrap();
    assert_eq!(folder.latest(|what| panic!("{what}")).unwrap().unwrap().step, 8);
    let weights = fs::read(last.join("optimizer.safetensors")).unwrap();
    fs::write(last.join("optimizer.safetensors"), &weights[..weights.len() - 9]).unwrap();
    assert_eq!(folder.latest(|_| ()).unwrap().unwrap().step, 6);
}

#[test]
fn files_that_training_did_not_write_are_never_removed() {
    let (_dir, run) = run_of_eight();
    let own =
        ["checkpoint-000006/notes.md", "events.out.tfevents.1700000000.desktop", "checkpoint-best/x", "checkpoint-2/x"];
    for name in own {
        fs::create_dir_all(run.join(name).parent().unwrap()).unwrap();
        fs::write(run.join(name), "mine").unwrap();
    }
    fs::create_dir(run.join("checkpoint-000007.partial")).unwrap();
    fs::write(run.join("checkpoint-000007.partial/optimizer.safetensors"), "half").unwrap();
    fs::create_dir(run.join("checkpoint-000009.mosa-77-0.partial")).unwrap();
    train(&run, 9, 1);
    for name in own {
        assert_eq!(fs::read_to_string(run.join(name)).unwrap(), "mine", "{name}");
    }
    assert!(!run.join("checkpoint-000006/trainer_state.json").exists(), "an old checkpoint goes");
    let partial: Vec<String> = names(&run, "checkpoint-").into_iter().filter(|n| n.ends_with(".partial")).collect();
    assert!(partial.is_empty(), "{partial:?}");
    assert_eq!(names(&run, "events.out.tfevents.").len(), 2);
    // A spoiled checkpoint with a file of the user's is not removed either.
    fs::write(run.join("checkpoint-000009/trainer_state.json"), "").unwrap();
    fs::write(run.join("checkpoint-000009/notes.md"), "mine").unwrap();
    let folder = RunFolder::open(&run, &manifest()).unwrap();
    let message = folder.latest(|_| ()).unwrap_err().to_string();
    assert!(message.contains("checkpoint-000009") && message.contains("move the folder away"), "{message}");
    assert_eq!(fs::read_to_string(run.join("checkpoint-000009/notes.md")).unwrap(), "mine");
}

#[test]
fn metrics_that_are_lost_come_back_from_the_checkpoint_and_it_is_said() {
    let (_dir, run) = run_of_eight();
    let path = run.join("metrics.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cases: [(Vec<u8>, &str); 6] = [
        (Vec::new(), "8 of 8 steps were missing; 8 were put back"),
        (vec![0; 300], "8 of 8 steps were missing; 8 were put back"),
        (lines[..3].join("\n").into_bytes(), "6 of 8 steps were missing; 6 were put back"),
        ([whole.as_bytes(), b"{\"step\": 9, \"lo\xc3"].concat(), ""),
        (format!("{whole}{whole}").into_bytes(), "8 lines repeat a step"),
        (whole.replacen("{\"step\":2,", "{\"step\":x,", 1).into_bytes(), "1 lines cannot be read"),
    ];
    for (damaged, expected) in cases {
        fs::write(&path, &damaged).unwrap();
        let folder = RunFolder::open(&run, &manifest()).unwrap();
        let mut said = Vec::new();
        let from = folder.latest(|_| ()).unwrap();
        let (_, kept) = folder.metrics(8, from.as_ref(), |what| said.push(what)).unwrap();
        assert_eq!(kept.len(), 8);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        let said = said.join("; ");
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{expected}: {said}");
    }
    // A checkpoint of an earlier version has no copy: what is lost is said to be lost.
    fs::remove_file(run.join("checkpoint-000008/metrics.jsonl")).unwrap();
    fs::write(&path, format!("{}\n", lines[7])).unwrap();
    let folder = RunFolder::open(&run, &manifest()).unwrap();
    let mut said = String::new();
    let from = folder.latest(|_| ()).unwrap();
    assert_eq!(folder.restore_metrics(8, from.as_ref(), |what| said += &what).unwrap().len(), 1);
    assert!(said.contains("7 are lost"), "{said}");
}

#[test]
fn a_second_training_in_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = RunFolder::open(dir.path(), &manifest()).unwrap();
    let message = RunFolder::open(dir.path(), &manifest()).unwrap_err().to_string();
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    drop(folder);
    RunFolder::open(dir.path(), &manifest()).unwrap();
}
