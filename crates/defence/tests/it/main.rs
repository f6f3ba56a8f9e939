//! Defences on small checkpoints.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod inside;
mod monitor;
mod outside;
mod stack;

use mosa_defence::{DefenceError, Opened, Setting, Spec, open};
use mosa_engine::{Batching, Ends, Options};
use mosa_judge::{Judge, Keyword, WordList};
use mosa_model::{Checkpoint, ModelConfig, Transformer, cuda_status};
use mosa_runtime::{Ask, Model, Runtime, Settings};
use mosa_text::{Message, Prompt, TextModel};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

fn fixture(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(family)
}

/// A fixture behind a runtime.
fn start(family: &str) -> Runtime {
    started(family, Batching::Rows)
}

/// The same, whose rows share passes.
fn start_padded(family: &str) -> Runtime {
    started(family, Batching::Shared { tokens: 4096 })
}

fn started(family: &str, batching: Batching) -> Runtime {
    // CUDA is found before the first tensor of the process is made, or not at all.
    let _ = cuda_status();
    let dir = fixture(family);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad]).unwrap();
    let weights = Transformer::load(&config, &Checkpoint::open(&dir).unwrap(), Kind::Float, Device::Cpu).unwrap();
    let settings = Settings { batching, batch_size: 4, stop: Default::default() };
    Runtime::start(Model::new(weights, None, text), settings).unwrap()
}

/// A short decode.
fn options(runtime: &Runtime) -> Options {
    let special = &runtime.text().special;
    let ends = Ends { eos: special.eos, eot: special.eot };
    Options::llada(ends).resized(16)
}

/// The defence that is typed.
fn opened(runtime: &Runtime, typed: &str) -> Opened {
    tried(runtime, typed).unwrap()
}

fn tried(runtime: &Runtime, typed: &str) -> Result<Opened, DefenceError> {
    tried_for(runtime, &options(runtime), typed)
}

/// The defence that is typed, for answers of these options.
fn tried_for(runtime: &Runtime, options: &Options, typed: &str) -> Result<Opened, DefenceError> {
    let judge = |name: &str, _: Option<&Path>| match name {
        "keyword" => Ok(Box::new(Keyword::new(&WordList::default(), Default::default()).unwrap()) as Box<dyn Judge>),
        name => Err(format!("no judge {name} here")),
    };
    let setting = Setting { runtime, options, model: "test", judge: &judge };
    open(&setting, &typed.parse::<Spec>()?)
}

/// Why there is no such defence.
fn setting_error(runtime: &Runtime, typed: &str) -> String {
    let Err(error) = tried(runtime, typed) else { panic!("{typed} is made") };
    error.to_string()
}

fn ask(words: &str) -> Ask {
    Ask::new(words, Prompt::Chat(vec![Message::user(words)]))
}
