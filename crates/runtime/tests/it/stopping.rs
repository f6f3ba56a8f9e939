//! A stop in the middle of a batch: what is complete is kept.

use crate::{is_interrupted, load, options};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Estimator};
use mosa_model::{
    Adapter, Call, DenoisingModel, ModelError, ModelSpec, Slot, TrainableModel, Transformer, WhiteBoxModel,
};
use mosa_runtime::{Ask, Choosing, Model, Runtime, Scorer, Settings};
use mosa_text::Prompt;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Tensor};

/// Asks for a stop during one of its passes.
struct Stopping {
    inner: Transformer,
    at: usize,
    passes: AtomicUsize,
    stop: Interrupt,
}

impl DenoisingModel for Stopping {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        if self.passes.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            self.stop.ask();
        }
        self.inner.forward(call)
    }
}

impl TrainableModel for Stopping {
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.inner.hidden(call)
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        self.inner.hidden_keeping_inputs(call, inputs)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError> {
        self.inner.backward(call, inputs, upstream)
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        self.inner.score(hidden, adapter)
    }
}

impl WhiteBoxModel for Stopping {
    fn embedding_table(&self) -> &Tensor {
        self.inner.embedding_table()
    }

    fn hidden_shifted(&self, call: Call<'_>, at: &[Slot], shift: &Tensor) -> Result<Tensor, ModelError> {
        self.inner.hidden_shifted(call, at, shift)
    }
}

/// A runtime whose model asks for a stop during pass number `at`.
fn stopping(at: usize) -> Runtime {
    let (inner, _, text) = load("llada", Device::Cpu);
    let stop = Interrupt::new();
    let model = Stopping { inner, at, passes: AtomicUsize::new(0), stop: stop.clone() };
    Runtime::start(Model::new(model, None, text), Settings { batching: Batching::Rows, batch_size: 3, stop }).unwrap()
}

#[test]
fn answers_that_were_complete_are_kept_and_the_others_interrupted() {
    let asked: Vec<Ask> = (0..3).map(|i| Ask::new(format!("a{i}"), Prompt::Raw(format!("question {i}")))).collect();
    let whole = stopping(0);
    let all = whole.begin_batch(&options(&whole), Batching::Rows, &asked).unwrap().wait().unwrap();
    // Twelve steps a row.
    for (at, complete) in [(3, 0), (13, 1), (17, 1), (29, 2)] {
        let runtime = stopping(at);
        let found = runtime.begin_batch(&options(&runtime), Batching::Rows, &asked).unwrap().wait().unwrap();
        assert_eq!(runtime.forward_time().unwrap().passes as usize, at, "no pass behind the stop");
        for (i, (found, whole)) in found.into_iter().zip(&all).enumerate() {
            match i < complete {
                true => assert_eq!(found.unwrap(), *whole.as_ref().unwrap()),
                false => assert!(is_interrupted(&found), "{at} {i}"),
            }
        }
    }
}

#[test]
fn questions_that_were_complete_are_kept_and_the_others_interrupted() {
    let choices = vec![" A".to_owned(), " B".to_owned()];
    let asked: Vec<Choosing> = (0..4)
        .map(|i| Choosing {
            id: format!("q{i}"),
            prompt: Prompt::Raw(format!("question {i}")),
            prefix: String::new(),
            choices: choices.clone(),
        })
        .collect();
    let scorer = Scorer { estimator: Estimator::MeanField, batching: Batching::Rows };
    let found = stopping(2).choose(scorer, &asked).unwrap();
    assert_eq!(found.iter().map(is_interrupted).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(found[0].is_ok() && found[1].is_ok());
}
