//! The MOSA objective and its trainer.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod objective;
mod reward;
mod settings;
mod trainer;

use mosa_align::{AlignConfig, Data};
use mosa_model::{Adapter, AdapterConfig, Checkpoint, DenoisingModel, ModelConfig, Targets, Transformer};
use std::path::PathBuf;
use tch::{Device, Kind};

fn load(name: &str) -> Transformer {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, Device::Cpu).unwrap()
}

/// A small window on a short canvas.
fn settings() -> AlignConfig {
    AlignConfig { window: [4, 12], canvas_length: 18, batch_size: 3, lr: 5e-3, ..AlignConfig::default() }
}

fn data(model: &Transformer) -> Data {
    let eos = model.spec().eos;
    let prompts = (0..7).map(|i| (0..6 + i % 3).map(|j| (7 + i * 13 + j * 29) as u32 % 250).collect()).collect();
    Data { prompts, safe: vec![vec![40, 41, eos], vec![42, eos]], harmful: vec![vec![50, 51], vec![52, 53, 54]] }
}

fn fresh(model: &Transformer, rank: usize) -> Adapter {
    let targets = Targets::Pattern(model.spec().block_linears.clone());
    Adapter::init(AdapterConfig::new(rank, 2.0 * rank as f64, targets), model.spec(), 0, Device::Cpu).unwrap()
}
