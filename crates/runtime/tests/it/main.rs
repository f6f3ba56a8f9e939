//! The runtime on the tiny checkpoints of `fixtures/`: what is answered does not depend on who else asks, and whoever waits is
//! told what became of the model. On every device there is.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod batches;
mod choosing;
mod lifetime;
mod queue;
mod stopping;
mod words;

use mosa_core::{Canvas, Interrupt};
use mosa_engine::{Answer, Batching, Ends, EngineError, Intervention, Options, Request, Schedule, Step, generate};
use mosa_model::{Adapted, Adapter, Checkpoint, DenoisingModel, ModelConfig, Transformer, devices};
use mosa_runtime::{Model, Runtime, RuntimeError, Settings};
use mosa_text::TextModel;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use tch::{Device, Kind};

fn load(name: &str, device: Device) -> (Transformer, Adapter, TextModel) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad]).unwrap();
    let model = Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, device).unwrap();
    let adapter = Adapter::load(&dir.join("adapter"), model.spec(), device).unwrap();
    (model, adapter, text)
}

/// A model as it is, on a thread of its own, three answers at a time.
fn start(name: &str, device: Device) -> Runtime {
    started(name, device, Interrupt::new(), 3)
}

fn started(name: &str, device: Device, stop: Interrupt, batch_size: usize) -> Runtime {
    let (model, _, text) = load(name, device);
    Runtime::start(Model::new(model, None, text), Settings { batching: Batching::Rows, batch_size, stop }).unwrap()
}

/// 24 positions in 12 steps and two blocks.
fn options(runtime: &Runtime) -> Options {
    let special = &runtime.text().special;
    Options {
        gen_length: 24,
        schedule: Schedule::Blocks { steps: 12, block_length: 12 },
        ..Options::llada(Ends { eos: special.eos, eot: special.eot })
    }
}

/// A request that differs for every number, in prompt, length and sampler.
fn request(number: usize, options: &Options) -> Request {
    let prompt = (0..4 + number % 5).map(|i| (5 + number * 31 + i * 17) as u32 % 250).collect();
    let (gen_length, block_length) = if number.is_multiple_of(3) { (12, 12) } else { (24, 12) };
    let own = Options {
        gen_length,
        schedule: Schedule::Blocks { steps: 6 + 6 * (number % 2), block_length },
        temperature: (number % 2) as f64,
        ..options.clone()
    };
    Request::new(format!("p{number}"), prompt, &own).with_forced(number.is_multiple_of(4).then_some((2, 40)))
}

/// What the engine alone answers.
fn alone(model: &Transformer, adapter: Option<&Adapter>, request: Request) -> Answer {
    let answers = generate(Adapted { model, adapter }, Batching::Rows, vec![request], &mut ()).unwrap();
    answers.into_iter().next().unwrap().unwrap()
}

/// Does something before one step of a row.
struct Before<F>(u64, F);

impl<F: FnMut() -> Result<(), EngineError> + Send> Intervention for Before<F> {
    fn name(&self) -> &str {
        "before"
    }

    fn edit_canvas(&mut self, step: Step, _: &mut Canvas) -> Result<(), EngineError> {
        if step.clock == self.0 { (self.1)() } else { Ok(()) }
    }
}

/// A request that does something before one of its steps.
fn doing(
    number: usize,
    options: &Options,
    step: u64,
    what: impl FnMut() -> Result<(), EngineError> + Send + 'static,
) -> Request {
    request(number, options).with_interventions(vec![Box::new(Before(step, what))])
}

/// A place where the model's thread waits for the test: twice, so that the test can do something in between.
fn gate() -> (Arc<Barrier>, impl FnMut() -> Result<(), EngineError> + Send + 'static) {
    let gate = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&gate);
    let pass = move || {
        inside.wait();
        inside.wait();
        Ok(())
    };
    (gate, pass)
}

fn is_interrupted<T>(result: &Result<T, RuntimeError>) -> bool {
    matches!(result, Err(RuntimeError::Interrupted))
}
