use crate::load;
use mosa_core::Interrupt;
use mosa_engine::{Batching, Ends, Options};
use mosa_model::{
    Adapter, Call, DenoisingModel, ModelError, ModelSpec, Slot, TrainableModel, Transformer, WhiteBoxModel,
};
use mosa_probe::{Case, answer, order, plain};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_text::{Message, Prompt, PromptRecord, TextModel};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::Tensor;

const STEPS: usize = 6;

/// A model whose user asks to stop during one of its passes.
struct Stopping {
    model: Transformer,
    stop: Interrupt,
    passes: Arc<AtomicUsize>,
    during: usize,
}

impl DenoisingModel for Stopping {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        if self.passes.fetch_add(1, Ordering::SeqCst) + 1 == self.during {
            self.stop.ask();
        }
        self.model.forward(call)
    }
}

impl TrainableModel for Stopping {
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.model.hidden(call)
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        self.model.hidden_keeping_inputs(call, inputs)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError> {
        self.model.backward(call, inputs, upstream)
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        self.model.score(hidden, adapter)
    }
}

impl WhiteBoxModel for Stopping {
    fn embedding_table(&self) -> &Tensor {
        self.model.embedding_table()
    }

    fn hidden_shifted(&self, call: Call<'_>, at: &[Slot], shift: &Tensor) -> Result<Tensor, ModelError> {
        self.model.hidden_shifted(call, at, shift)
    }
}

/// A runtime whose user asks to stop during a pass, and the passes it made.
struct Running {
    runtime: Runtime,
    passes: Arc<AtomicUsize>,
}

fn stopping(during: usize, batching: Batching) -> Running {
    let (model, stop, passes) = (load("llada"), Interrupt::new(), Arc::new(AtomicUsize::new(0)));
    let words = crate::text("llada", &model);
    let model = Stopping { model, stop: stop.clone(), passes: Arc::clone(&passes), during };
    let settings = Settings { batching, batch_size: 3, stop };
    Running { runtime: Runtime::start(Model::new(model, None, words), settings).unwrap(), passes }
}

impl Running {
    fn passes(&self) -> usize {
        self.passes.load(Ordering::SeqCst)
    }
}

fn cases(text: &TextModel) -> Vec<Case> {
    let one = |i: usize| {
        let prompt = Prompt::Chat(vec![Message::user(format!("name the bridge {i}"))]);
        plain(text, &PromptRecord::new(format!("q{i}"), prompt), "group").unwrap()
    };
    (0..3).map(one).collect()
}

fn options(text: &TextModel) -> Options {
    let ends = Ends { eos: text.special.eos, eot: text.special.eot };
    let schedule = mosa_engine::Schedule::Blocks { steps: STEPS, block_length: 12 };
    Options { gen_length: 12, schedule, ..Options::llada(ends) }
}

#[test]
fn a_stop_leaves_the_cases_of_a_batch_that_were_complete() {
    let cases = |running: &Running| cases(running.runtime.text());
    let run = |running: &Running| answer(&running.runtime, &options(running.runtime.text()), &cases(running)).unwrap();
    let orders =
        |running: &Running| order(&running.runtime, &options(running.runtime.text()), &cases(running)).unwrap();
    let never = stopping(0, Batching::Rows);
    let (all, all_orders) = (run(&never), orders(&never));
    assert_eq!((all.len(), all_orders.len(), never.passes()), (3, 3, 2 * 3 * STEPS));
    // In the middle of the second row.
    let during = STEPS + 2;
    let stopped = stopping(during, Batching::Rows);
    assert_eq!(run(&stopped), all[..1]);
    assert_eq!(stopped.passes(), during, "the pass under way is the last one");
    assert_eq!(orders(&stopping(during, Batching::Rows)), all_orders[..1]);
    // Rows that share their passes share their end.
    assert_eq!(run(&stopping(2, Batching::SHARED)), []);
}
