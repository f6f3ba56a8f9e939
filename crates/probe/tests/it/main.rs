//! Probes on the tiny checkpoints of `fixtures/`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod avoid;
mod filter;
mod gradient;
mod losses;
mod on_a_runtime;
mod on_blocks;
mod search;
mod stopping;

use mosa_model::{Adapted, Adapter, AdapterConfig, Checkpoint, DenoisingModel, ModelConfig, Targets, Transformer};
use mosa_probe::gcg::{Goal, Subject, TargetLikelihood, TargetLoss};
use mosa_text::TextModel;
use std::path::PathBuf;
use tch::{Device, Kind};

const FAMILIES: [&str; 3] = ["llada", "mmada", "dream"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn load(name: &str) -> Transformer {
    let dir = fixture(name);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, Device::Cpu).unwrap()
}

fn plain(model: &Transformer) -> Subject<'_> {
    Adapted { model, adapter: None }
}

fn text(name: &str, model: &Transformer) -> TextModel {
    let spec = model.spec();
    TextModel::load(&fixture(name), spec.family, [spec.mask, spec.eos, spec.pad]).unwrap()
}

/// An adapter that changes every layer.
fn adapter(model: &Transformer) -> Adapter {
    let targets = Targets::Pattern(model.spec().block_linears.clone());
    let adapter = Adapter::init(AdapterConfig::new(2, 4.0, targets), model.spec(), 3, Device::Cpu).unwrap();
    tch::no_grad(|| {
        for (_, tensor) in adapter.tensors() {
            let mut tensor = tensor.shallow_clone();
            let ramp = tensor.ones_like().flatten(0, -1).cumsum(0, Kind::Float).sin().view_as(&tensor) * 0.1;
            let _ = tensor.g_add_(&ramp);
        }
    });
    adapter
}

/// A suffix of five tokens inside a prompt of fourteen, a target of four tokens at offset 3 of twelve.
fn goal(id: &str) -> Goal {
    let prompt: Vec<u32> = (0..14).map(|i| (5 + i * 17) % 250).collect();
    Goal { id: id.into(), prompt, suffix: 6..11, target: vec![40, 7, 91, 40], offset: 3, gen_length: 12 }
}

fn first_step<'a>(model: &'a Transformer, adapter: Option<&'a Adapter>, goal: &'a Goal) -> TargetLoss<'a> {
    TargetLoss::new(Subject { model, adapter }, goal, TargetLikelihood::FirstStep, 0, 16).unwrap()
}

/// The first suffix with other tokens, a different one for every number.
fn suffixes(goal: &Goal, count: usize) -> Vec<Vec<u32>> {
    let one = |n: usize| {
        let mut suffix = goal.first_suffix().to_vec();
        let at = n % suffix.len();
        suffix[at] = (n * 37 % 250) as u32;
        suffix
    };
    (0..count).map(one).collect()
}
