//! The objectives, their gradients, and the trainer.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod a2d_eos;
mod events;
mod loss;
mod objective;
mod recovery;
mod reward;
mod run;
mod settings;
mod teacher;
mod trainer;
mod vrpo;

use mosa_align::{AlignConfig, CanvasIds, Data, Objective, Record, Retain, Windows, objective};
use mosa_model::{Adapter, AdapterConfig, Checkpoint, DenoisingModel, ModelConfig, Targets, Transformer, devices};
use std::path::PathBuf;
use tch::{Device, Kind};

fn load(name: &str) -> Transformer {
    load_on(name, Device::Cpu)
}

/// The model on every device of this machine.
fn load_on_all(name: &str) -> impl Iterator<Item = Transformer> {
    devices().into_iter().map(move |device| load_on(name, device))
}

fn load_on(name: &str, device: Device) -> Transformer {
    devices(); // a GPU's libraries are loaded before the first tensor is made
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, device).unwrap()
}

/// A small window on a short canvas.
fn settings() -> AlignConfig {
    AlignConfig {
        window: Windows::One([4, 12]),
        canvas_length: 18,
        batch_size: 3,
        lr: 5e-3,
        save_every: 0,
        retain: Retain { batch_size: 0, ..Retain::default() },
        ..AlignConfig::default()
    }
}

fn record(id: usize, prompt: Vec<u32>, response: Vec<u32>) -> Record {
    Record { id: id.to_string(), prompt, response, ..Record::default() }
}

/// Seven prompts of three lengths with answers, two retain prompts, two sentences of each kind.
fn data(model: &Transformer) -> Data {
    let eos = model.spec().eos;
    let words = |i: u32, n: u32, step: u32| (0..n).map(|j| (7 + i * 13 + j * step) % 250).collect::<Vec<u32>>();
    let own = (0..7).map(|i| record(i, words(i as u32, 6 + i as u32 % 3, 29), words(i as u32, 10, 31)));
    let retain = (0..2).map(|i| record(i, words(40 + i as u32, 5, 17), words(i as u32, 8, 11)));
    Data {
        records: own.collect(),
        retain: retain.collect(),
        safe: vec![vec![40, 41, eos], vec![42, eos]],
        harmful: vec![vec![50, 51], vec![52, 53, 54]],
    }
}

fn ids(model: &Transformer) -> CanvasIds {
    CanvasIds { mask: model.spec().mask, eos: model.spec().eos }
}

fn made(name: &str, config: &AlignConfig, model: &Transformer) -> Box<dyn Objective> {
    objective(name, config, ids(model), data(model)).unwrap().unwrap()
}

fn fresh(model: &Transformer, rank: usize) -> Adapter {
    let targets = Targets::Pattern(model.spec().block_linears.clone());
    let config = AdapterConfig::new(rank, 2.0 * rank as f64, targets);
    let mut adapter = Adapter::init(config, model.spec(), 0, model.device()).unwrap();
    adapter.set_trainable(true);
    adapter
}

/// An adapter whose B factors are not zero.
fn perturbed(model: &Transformer) -> Adapter {
    let mut adapter = fresh(model, 2);
    tch::no_grad(|| {
        for (i, (_, t)) in adapter.tensors().into_iter().enumerate() {
            let wave =
                (tch::Tensor::arange(t.numel() as i64, (Kind::Float, t.device())) * (1.0 + i as f64)).sin() * 0.1;
            t.shallow_clone().copy_(&(t + wave.view_as(t)));
        }
    });
    adapter.set_trainable(true);
    adapter
}
