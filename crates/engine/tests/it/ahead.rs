//! Looking ahead: what is computed beside a pass changes nothing but the number of passes.

use crate::block_causal::{self, BLOCK};
use crate::{ask, decode, ends, load, prompt};
use mosa_core::Canvas;
use mosa_engine::{Answer, BlockQuota, Commit, Editing, EngineError, Intervention, Options, Request, Schedule, Step};
use mosa_model::{Call, DenoisingModel, ModelError, ModelSpec, Transformer};
use std::cell::Cell;
use tch::{Device, Kind, Tensor};

/// Positions of a pass whose bits do not depend on each other.
const ROOM: usize = 16;

/// A model that counts its passes, and may or may not compute something beside them.
struct Counted<'a> {
    model: &'a Transformer,
    looks: bool,
    passes: Cell<usize>,
}

impl<'a> Counted<'a> {
    fn new(model: &'a Transformer, looks: bool) -> Self {
        Self { model, looks, passes: Cell::new(0) }
    }
}

impl DenoisingModel for Counted<'_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.passes.set(self.passes.get() + 1);
        self.model.forward(call)
    }

    fn beside(&self) -> usize {
        // Bits are the same on every processor, also where nothing is gained.
        if self.looks { ROOM } else { 0 }
    }
}

fn models() -> Vec<(Transformer, usize)> {
    let random = |kind, seed| Transformer::random(block_causal::model().config(), seed, kind, Device::Cpu).unwrap();
    vec![(random(Kind::Float, 3), BLOCK), (random(Kind::BFloat16, 4), BLOCK), (load("sdar"), 3)]
}

/// Samplers that reveal one, several and varying numbers of positions a step.
fn variety(model: &dyn DenoisingModel, block_length: usize) -> Vec<Options> {
    let one = |steps, commit| {
        let schedule = Schedule::BlockDiffusion { block_length, quota: BlockQuota::Steps(steps), editing: None };
        Options { gen_length: 17, schedule, commit, ..Options::block_diffusion(ends(model), block_length) }
    };
    let open = |options: Options| Options { block_stops: Vec::new(), ..options };
    vec![
        open(one(block_length, Commit::LowConfidence)),
        one(block_length, Commit::Dynamic(0.4)),
        open(one(2, Commit::LowConfidence)),
        open(one(block_length, Commit::EntropyBounded(1.0))),
        Options { stop_at_end: true, ..one(block_length, Commit::LeftToRight) },
    ]
}

fn requests() -> Vec<Request> {
    [(1, 3), (2, 11), (3, 16)].map(|(n, len)| ask(&format!("p{n}"), prompt(n, len))).into()
}

fn ahead(answers: &[Answer]) -> usize {
    answers.iter().map(|answer| answer.ahead).sum()
}

#[test]
fn answers_and_traces_have_the_same_bits_and_fewer_passes_are_made() {
    for (model, block) in models() {
        let mut saved = 0;
        for options in variety(&model, block) {
            let (looking, blind) = (Counted::new(&model, true), Counted::new(&model, false));
            let answers = decode(&looking, &options, requests()).unwrap();
            let plain = decode(&blind, &options, requests()).unwrap();
            assert_eq!((ahead(&plain), looking.passes.get() + ahead(&answers)), (0, blind.passes.get()), "{options:?}");
            saved += ahead(&answers);
            let same: Vec<Answer> = answers.into_iter().map(|answer| Answer { ahead: 0, ..answer }).collect();
            assert_eq!(same, plain, "{options:?}");
        }
        assert!(saved > 5, "{saved} passes saved");
    }
}

/// Changes nothing, but might.
struct Busy;

impl Intervention for Busy {
    fn name(&self) -> &str {
        "busy"
    }

    fn edit_canvas(&mut self, _: Step, _: &mut Canvas) -> Result<(), EngineError> {
        Ok(())
    }
}

#[test]
fn nobody_looks_ahead_where_tokens_are_drawn_or_revised_or_an_intervention_acts() {
    let model = Transformer::random(block_causal::model().config(), 3, Kind::Float, Device::Cpu).unwrap();
    let model = Counted::new(&model, true);
    let plain = variety(&model, BLOCK).remove(0);
    assert!(ahead(&decode(&model, &plain, requests()).unwrap()) > 0);
    let editing = Some(Editing { threshold: 0.02, max_post_steps: 3 });
    let editing = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(1), editing };
    for options in [Options { temperature: 0.7, ..plain.clone() }, Options { schedule: editing, ..plain.clone() }] {
        assert_eq!(ahead(&decode(&model, &options, requests()).unwrap()), 0, "{options:?}");
    }
    let busy = requests().into_iter().map(|request| request.with_interventions(vec![Box::new(Busy)])).collect();
    assert_eq!(ahead(&decode(&model, &plain, busy).unwrap()), 0);
}
