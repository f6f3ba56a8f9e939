use crate::{load, text};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Ends, Options};
use mosa_model::{Adapted, Call, DenoisingModel, ModelError, ModelSpec, Transformer};
use mosa_probe::{Case, Probed, answer, order, plain};
use mosa_text::{Message, Prompt, PromptRecord, TextModel};
use std::cell::Cell;
use tch::Tensor;

const STEPS: usize = 6;

/// A model whose user asks to stop during one of its passes.
struct Stopping {
    model: Transformer,
    stop: Interrupt,
    passes: Cell<usize>,
    during: usize,
}

impl DenoisingModel for Stopping {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.passes.set(self.passes.get() + 1);
        if self.passes.get() == self.during {
            self.stop.ask();
        }
        self.model.forward(call)
    }
}

fn stopping(during: usize) -> Stopping {
    Stopping { model: load("llada"), stop: Interrupt::new(), passes: Cell::new(0), during }
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
    let words = text("llada", &load("llada"));
    let cases = cases(&words);
    let run = |model: &Stopping, batching| {
        let probed = Probed { subject: Adapted::plain(model), batching, text: &words, stop: &model.stop };
        answer(probed, &options(&words), &cases).unwrap()
    };
    let orders = |model: &Stopping, batching| {
        let probed = Probed { subject: Adapted::plain(model), batching, text: &words, stop: &model.stop };
        order(probed, &options(&words), &cases).unwrap()
    };
    let never = stopping(0);
    let (all, all_orders) = (run(&never, Batching::Rows), orders(&never, Batching::Rows));
    assert_eq!((all.len(), all_orders.len(), never.passes.get()), (3, 3, 2 * 3 * STEPS));
    // In the middle of the second row.
    let during = STEPS + 2;
    let model = stopping(during);
    assert_eq!(run(&model, Batching::Rows), all[..1]);
    assert_eq!(model.passes.get(), during, "the pass under way is the last one");
    assert_eq!(orders(&stopping(during), Batching::Rows), all_orders[..1]);
    // Rows that share their passes share their end.
    assert_eq!(run(&stopping(2), Batching::SHARED), []);
}
