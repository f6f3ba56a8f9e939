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
    let from = folder.latest().unwrap();
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
    let (mut log, kept) = folder.metrics(trainer.step_number()).unwrap();
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
    assert_eq!(RunFolder::open(&run, &manifest()).unwrap().latest().unwrap().unwrap().step, 4);
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
    let saved = RunFolder::open(&dir.path().join("run"), &manifest()).unwrap().latest().unwrap().unwrap();
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), settings()).unwrap();
    let error = trainer.resume(2, &saved.moments(Device::Cpu).unwrap()).unwrap_err();
    assert!(matches!(&error, AlignError::Resume(what) if what.contains("exp_avg")), "{error}");
}
