//! The denoising loop on the tiny checkpoints of `fixtures/`, and on scripted models where a certain answer is needed.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod ahead;
mod block_causal;
mod block_diffusion;
mod caches;
mod choosing;
mod composed;
mod decode;
mod interventions;
mod likelihoods;
mod masks;
mod options;
mod policies;
mod schedules;
mod scripted;
mod sessions;
mod watchers;

use mosa_engine::{Answer, Batching, Ends, EngineError, Options, Request, Schedule, generate};
use mosa_model::{Adapted, Checkpoint, DenoisingModel, ModelConfig, Transformer, cuda_status, devices};
use std::path::PathBuf;
use tch::{Device, Kind};

/// Runs a test once per device that is present.
fn on_devices(test: impl Fn(Device)) {
    devices().into_iter().for_each(test);
}

/// A fixture on the CPU, where tests may ask for equal bits.
fn load(name: &str) -> Transformer {
    load_on(name, Device::Cpu)
}

fn load_on(name: &str, device: Device) -> Transformer {
    // CUDA is found before the first tensor of the process is made, or not at all.
    let _ = cuda_status();
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, device).unwrap()
}

fn ends(model: &dyn DenoisingModel) -> Ends {
    Ends { eos: model.spec().eos, eot: Some(model.spec().eos + 1) }
}

/// The block sampler over a response of `gen_length`.
fn blocks(model: &dyn DenoisingModel, gen_length: usize, steps: usize, block_length: usize) -> Options {
    Options { gen_length, schedule: Schedule::Blocks { steps, block_length }, ..Options::llada(ends(model)) }
}

/// A prompt that differs for every number.
fn prompt(number: usize, len: usize) -> Vec<u32> {
    (0..len).map(|i| (5 + number * 31 + i * 17) as u32 % 250).collect()
}

fn request(number: usize, len: usize) -> Request {
    ask(&format!("p{number}"), prompt(number, len))
}

/// A request whose options [`decode`] sets.
fn ask(id: &str, prompt: Vec<u32>) -> Request {
    Request::new(id, prompt, &Options::llada(Ends { eos: 0, eot: None }))
}

fn decode(model: &dyn DenoisingModel, options: &Options, requests: Vec<Request>) -> Result<Vec<Answer>, EngineError> {
    decode_in(Batching::Rows, model, options, requests)
}

fn decode_in(
    batching: Batching,
    model: &dyn DenoisingModel,
    options: &Options,
    requests: Vec<Request>,
) -> Result<Vec<Answer>, EngineError> {
    let requests = requests.into_iter().map(|r| r.with_options(options)).collect();
    Ok(generate(Adapted::plain(model), batching, requests, &mut ())?.into_iter().map(|a| a.unwrap()).collect())
}

fn one(model: &dyn DenoisingModel, options: &Options, request: Request) -> Answer {
    decode(model, options, vec![request]).unwrap().remove(0)
}
