//! An attack and a defence on one row, neither knowing of the other.
//!
//! `cargo run --example compose [CHECKPOINT]` decodes one prompt three times: plain, with a phrase planted in the middle
//! of the response before the first step, and with the phrase and a defence that makes the end token likelier at every
//! step.

use mosa_core::Canvas;
use mosa_engine::{Batching, Ends, EngineError, Intervention, Options, Request, Schedule, Step, generate};
use mosa_model::{Adapted, Checkpoint, DenoisingModel, DeviceChoice, ModelConfig, Transformer};
use std::path::PathBuf;
use tch::{Kind, Tensor};

/// Attack: plants tokens at a response offset before the first step.
struct Plant {
    offset: usize,
    tokens: Vec<u32>,
}

impl Intervention for Plant {
    fn name(&self) -> &str {
        "plant"
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if step.clock == 0 {
            for (k, &token) in self.tokens.iter().enumerate() {
                canvas.force(canvas.response_start() + self.offset + k, token)?;
            }
        }
        Ok(())
    }
}

/// Defence: adds a bias to the logit of the end token.
struct PreferEnd {
    eos: u32,
    bias: f64,
}

impl Intervention for PreferEnd {
    fn name(&self) -> &str {
        "prefer-end"
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, _: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        let _ = logits.f_select(1, i64::from(self.eos))?.f_add_scalar_(self.bias)?;
        Ok(logits)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llada");
    let dir = std::env::args().nth(1).map_or(default, PathBuf::from);
    let device = DeviceChoice::Cpu.resolve()?;
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let model = Transformer::load(&config, &Checkpoint::open(&dir)?, Kind::Float, device)?;
    let eos = model.spec().eos;
    let ends = Ends { eos, eot: None };
    let options =
        Options { gen_length: 32, schedule: Schedule::Blocks { steps: 32, block_length: 32 }, ..Options::llada(ends) };

    let attack = || Box::new(Plant { offset: 12, tokens: vec![40, 41, 42] }) as Box<dyn Intervention>;
    let defence = || Box::new(PreferEnd { eos, bias: 12.0 }) as Box<dyn Intervention>;
    let prompt = vec![10, 20, 30, 40, 50, 60];
    let requests = vec![
        Request::new("plain", prompt.clone(), &options),
        Request::new("attack", prompt.clone(), &options).with_interventions(vec![attack()]),
        Request::new("attack+defence", prompt, &options).with_interventions(vec![attack(), defence()]),
    ];
    for answer in generate(Adapted::plain(&model), Batching::Rows, requests, &mut ())?.into_iter().flatten() {
        let end = answer.ids.iter().position(|&t| t == eos);
        // An example talks on stdout.
        #[allow(clippy::print_stdout)]
        {
            println!(
                "{:15} {:?} after {} passes, first end token at {end:?}\n  {:?}",
                answer.id, answer.finish, answer.forwards, answer.ids
            );
        }
    }
    Ok(())
}
