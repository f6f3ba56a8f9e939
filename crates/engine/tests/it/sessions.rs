//! Rows that come and go: what one does is nothing to another.

use crate::{blocks, decode, load, on_devices, one, request};
use mosa_core::Canvas;
use mosa_engine::{
    Answer, Batching, CacheMode, Commit, EngineError, Event, Flow, Intervention, Options, Request, RevealCount, RowId,
    Schedule, Session, Step,
};
use mosa_model::{Adapted, Call, DenoisingModel, ModelError, ModelSpec, Transformer};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tch::Tensor;

/// Writes, masks again, and repeats a block.
struct Meddle;

impl Intervention for Meddle {
    fn name(&self) -> &str {
        "meddle"
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if step.clock == 2 {
            canvas.force(canvas.response_start() + 9, 7)?;
            canvas.remask(canvas.response_start() + 1)?;
        }
        Ok(())
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, _: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        Ok(logits.f_mul_scalar(0.9)?)
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if step.block > 0 || step.clock > 7 {
            return Ok(Flow::Continue);
        }
        canvas.remask(canvas.response_start() + 2)?;
        Ok(Flow::Repeat { steps: 2 })
    }
}

/// Row number `i` of a property: its own length, options and interventions.
fn row(model: &Transformer, i: usize) -> Request {
    let base = blocks(model, 16, 8, 8);
    let dream = Options {
        gen_length: 16,
        schedule: Schedule::Timesteps { steps: 6, eps: 1e-3, count: RevealCount::PerRow },
        ..Options::dream(base.ends)
    };
    let options = [
        base.clone(),
        Options { temperature: 0.8, ..base.clone() },
        Options { cache: CacheMode::Dual, ..base.clone() },
        Options { cache: CacheMode::Prefix, temperature: 0.5, ..base.clone() },
        Options { commit: Commit::Threshold(0.3), cache: CacheMode::Dual, ..base.clone() },
        Options { commit: Commit::Margin, cfg_scale: 1.0, ..base },
        Options { temperature: 0.7, top_p: Some(0.9), seed: 3, ..dream },
    ];
    let options = &options[i % options.len()];
    let plain = request(i, 5 + 3 * (i % 4)).with_options(options);
    if i % 3 == 1 { plain.with_interventions(vec![Box::new(Meddle)]) } else { plain }
}

fn alone(model: &Transformer, i: usize) -> Answer {
    let mut session = Session::new(Adapted::plain(model), Batching::Rows);
    session.admit(row(model, i)).unwrap();
    loop {
        for event in session.step() {
            if let Event::Finished(_, answer) = event {
                return *answer;
            }
        }
    }
}

/// What is done to a session.
#[derive(Clone, Copy, Debug)]
enum Act {
    Admit(usize),
    /// One of the rows that are there.
    Cancel(usize),
    Step,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0usize..14).prop_map(Act::Admit),
        1 => (0usize..8).prop_map(Act::Cancel),
        8 => Just(Act::Step),
    ];
    proptest::collection::vec(act, 5..40)
}

/// Does all of `acts`, then steps until nothing is left; the answers of the rows that were not cancelled, by number.
fn play(model: &Transformer, batching: Batching, acts: &[Act]) -> Vec<(usize, Answer)> {
    let mut session = Session::new(Adapted::plain(model), batching);
    let (mut numbers, mut answers) = (HashMap::<RowId, usize>::new(), Vec::new());
    let mut take = |events: Vec<Event>, numbers: &mut HashMap<RowId, usize>| {
        assert!(events.windows(2).all(|e| e[0].row() < e[1].row()), "events are in the order of admission");
        for event in events {
            let number = numbers[&event.row()];
            match event {
                Event::Stepped(_) => {}
                Event::Finished(id, answer) => {
                    numbers.remove(&id);
                    answers.push((number, *answer));
                }
                Event::Failed(_, error) => panic!("row {number}: {error}"),
            }
        }
    };
    for act in acts {
        match *act {
            Act::Admit(i) => {
                numbers.insert(session.admit(row(model, i)).unwrap(), i);
            }
            Act::Cancel(k) => {
                let Some(id) = session.ids().nth(k) else { continue };
                assert!(session.cancel(id) && !session.cancel(id) && session.canvas(id).is_none());
                numbers.remove(&id);
            }
            Act::Step => take(session.step(), &mut numbers),
        }
        assert_eq!(session.len(), numbers.len());
    }
    while !session.is_idle() {
        let events = session.step();
        assert!(!events.is_empty(), "every call makes progress");
        take(events, &mut numbers);
    }
    assert!(numbers.is_empty() && session.cached_positions() == 0 && session.step().is_empty());
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_coming_and_going_gives_every_answer_the_bytes_it_has_alone(acts in acts()) {
        let model = load("llada");
        for (i, answer) in play(&model, Batching::Rows, &acts) {
            prop_assert_eq!(answer, alone(&model, i));
        }
    }

    #[test]
    fn rows_that_share_passes_in_any_order_end_in_the_tokens_they_have_alone(acts in acts(), tokens in 1usize..200) {
        let model = load("llada");
        for (i, answer) in play(&model, Batching::Shared { tokens }, &acts) {
            let alone = alone(&model, i);
            prop_assert_eq!((answer.ids, answer.forwards), (alone.ids, alone.forwards));
        }
    }
}

/// A model with a limit, or a distaste for a token; notes the rows of every call.
pub(crate) struct Frail {
    pub inner: Transformer,
    /// Most positions of a call, padding included.
    room: usize,
    /// A token that no call may hold.
    poison: Option<u32>,
    pub calls: Mutex<Vec<usize>>,
    pub refused: AtomicUsize,
}

impl Frail {
    pub(crate) fn new(room: usize, poison: Option<u32>) -> Self {
        Self { inner: load("llada"), room, poison, calls: Mutex::new(Vec::new()), refused: AtomicUsize::new(0) }
    }
}

impl DenoisingModel for Frail {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let rows = call.rows.len();
        let positions = rows * call.rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0);
        let poisoned = call.rows.iter().any(|r| self.poison.is_some_and(|p| r.tokens.contains(&p)));
        // Late: caches have been written by then.
        let logits = self.inner.forward(call)?;
        if positions > self.room {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(ModelError::memory("the pass", positions as u64));
        }
        if poisoned {
            return Err(ModelError::Call("that token is not to be computed".into()));
        }
        self.calls.lock().unwrap().push(rows);
        Ok(logits)
    }
}

/// Runs all rows; how each ended, in order.
fn outcomes(model: &dyn DenoisingModel, batching: Batching, rows: Vec<Request>) -> Vec<Result<Answer, EngineError>> {
    let mut session = Session::new(Adapted::plain(model), batching);
    let ids: Vec<RowId> = rows.into_iter().map(|r| session.admit(r).unwrap()).collect();
    let mut ended = HashMap::new();
    while !session.is_idle() {
        for event in session.step() {
            match event {
                Event::Stepped(_) => {}
                Event::Finished(id, answer) => assert!(ended.insert(id, Ok(*answer)).is_none()),
                Event::Failed(id, error) => assert!(ended.insert(id, Err(error)).is_none()),
            }
        }
    }
    ids.iter().map(|id| ended.remove(id).unwrap()).collect()
}

/// Counts how often it is shown a canvas.
struct Count(Arc<AtomicUsize>);

impl Intervention for Count {
    fn name(&self) -> &str {
        "count"
    }

    fn edit_canvas(&mut self, _: Step, _: &mut Canvas) -> Result<(), EngineError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_pass_for_which_memory_does_not_suffice_is_split_and_no_step_is_made_twice() {
    for cache in [CacheMode::None, CacheMode::Dual] {
        let model = Frail::new(60, None);
        let options = Options { cache, ..blocks(&model, 16, 8, 8) };
        let shown: Vec<Arc<AtomicUsize>> = (0..6).map(|_| Arc::default()).collect();
        let counted = |i: usize| request(i, 6 + i).with_interventions(vec![Box::new(Count(Arc::clone(&shown[i])))]);
        let rows = (0..6).map(|i| counted(i).with_options(&options)).collect();
        let ended = outcomes(&model, Batching::SHARED, rows);
        for (i, answer) in ended.into_iter().enumerate() {
            assert_eq!(answer.unwrap().ids, one(&model.inner, &options, request(i, 6 + i)).ids);
            assert_eq!(shown[i].load(Ordering::Relaxed), 8);
        }
        // The limit is learned: not every step is tried in full again.
        let refused = model.refused.load(Ordering::Relaxed);
        assert!((1..8).contains(&refused), "{refused}");
        assert!(model.calls.lock().unwrap().iter().any(|rows| *rows > 1), "rows still share passes");
    }
}

#[test]
fn a_row_too_large_for_memory_fails_alone() {
    let model = Frail::new(30, None);
    let options = blocks(&model, 8, 8, 8);
    let rows = [5, 40, 9].into_iter().enumerate().map(|(i, len)| request(i, len).with_options(&options)).collect();
    let ended = outcomes(&model, Batching::SHARED, rows);
    assert!(ended[0].is_ok() && ended[2].is_ok());
    assert!(ended[1].as_ref().is_err_and(EngineError::is_out_of_memory), "{:?}", ended[1]);
}

#[test]
fn a_row_that_the_model_refuses_fails_alone() {
    for batching in [Batching::Rows, Batching::SHARED] {
        let model = Frail::new(usize::MAX, Some(251));
        let options = blocks(&model, 8, 8, 8);
        let mut rows: Vec<Request> = (0..3).map(|i| request(i, 6).with_options(&options)).collect();
        rows[1].prompt[3] = 251;
        let ended = outcomes(&model, batching, rows);
        assert_eq!(ended[1].as_ref().unwrap_err().to_string(), "that token is not to be computed");
        for i in [0, 2] {
            assert_eq!(ended[i].as_ref().unwrap().ids, one(&model.inner, &options, request(i, 6)).ids);
        }
    }
}

/// Where an intervention fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Canvas,
    Hidden,
    Logits,
    Block,
}

/// Fails in the third step, or after the first block.
struct Failing(Place);

impl Failing {
    fn at(&self, place: Place, step: Step) -> Result<(), EngineError> {
        if self.0 == place && (step.clock == 2 || place == Place::Block) {
            return Err(EngineError::Intervention { name: "failing".into(), what: "gave up".into() });
        }
        Ok(())
    }
}

impl Intervention for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn wants_hidden(&self) -> bool {
        self.0 == Place::Hidden
    }

    fn edit_canvas(&mut self, step: Step, _: &mut Canvas) -> Result<(), EngineError> {
        self.at(Place::Canvas, step)
    }

    fn edit_hidden(&mut self, step: Step, _: &mosa_engine::HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        self.at(Place::Hidden, step).map(|()| hidden)
    }

    fn edit_logits(&mut self, step: Step, _: &Canvas, _: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        self.at(Place::Logits, step).map(|()| logits)
    }

    fn after_block(&mut self, step: Step, _: &mut Canvas) -> Result<Flow, EngineError> {
        self.at(Place::Block, step).map(|()| Flow::Continue)
    }
}

#[test]
fn an_intervention_that_fails_ends_its_own_row_wherever_it_fails() {
    on_devices(|device| {
        let model = crate::load_on("llada", device);
        for cache in [CacheMode::None, CacheMode::Dual] {
            let options = Options { cache, ..blocks(&model, 16, 8, 8) };
            for place in [Place::Canvas, Place::Hidden, Place::Logits, Place::Block] {
                for batching in [Batching::Rows, Batching::SHARED] {
                    let mut rows: Vec<Request> = (0..3).map(|i| request(i, 6 + i).with_options(&options)).collect();
                    rows[1].interventions.push(Box::new(Failing(place)));
                    let ended = outcomes(&model, batching, rows);
                    let error = ended[1].as_ref().unwrap_err().to_string();
                    assert_eq!(error, "intervention failing: gave up", "{place:?} {batching:?}");
                    for i in [0, 2] {
                        let alone = one(&model, &options, request(i, 6 + i));
                        assert_eq!(ended[i].as_ref().unwrap().ids, alone.ids, "{place:?} {batching:?} {cache:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn cached_rows_share_their_passes_and_windows_are_not_padded_to_whole_canvases() {
    let model = Frail::new(usize::MAX, None);
    for cache in [CacheMode::Prefix, CacheMode::Dual] {
        let options = Options { cache, ..blocks(&model, 16, 8, 8) };
        model.calls.lock().unwrap().clear();
        let rows = (0..4).map(|i| request(i, 6 + 2 * i).with_options(&options)).collect();
        for (i, answer) in outcomes(&model, Batching::SHARED, rows).into_iter().enumerate() {
            assert_eq!(answer.unwrap().ids, one(&model.inner, &options, request(i, 6 + 2 * i)).ids, "{cache:?}");
        }
        assert_eq!(*model.calls.lock().unwrap(), [4; 8]);
    }
    // A row whose windows are read and one that computes whole canvases.
    let dual = Options { cache: CacheMode::Dual, ..blocks(&model, 8, 8, 8) };
    let rows = vec![request(0, 30).with_options(&dual), request(1, 6).with_options(&blocks(&model, 8, 8, 8))];
    model.calls.lock().unwrap().clear();
    outcomes(&model, Batching::SHARED, rows);
    assert_eq!(model.calls.lock().unwrap()[..3], [2, 1, 1]);
}

#[test]
fn the_budget_of_a_shared_pass_counts_padding_and_both_halves_of_guidance() {
    let model = Frail::new(usize::MAX, None);
    let rows_of_first_pass = |tokens, cfg_scale| {
        let options = Options { cfg_scale, ..blocks(&model, 8, 8, 8) };
        let rows = [2, 12, 2].into_iter().enumerate().map(|(i, len)| request(i, len).with_options(&options));
        model.calls.lock().unwrap().clear();
        outcomes(&model, Batching::Shared { tokens }, rows.collect());
        model.calls.lock().unwrap()[0]
    };
    // Canvases of 10, 20 and 10.
    assert_eq!(rows_of_first_pass(60, 0.0), 3);
    assert_eq!(rows_of_first_pass(59, 0.0), 2);
    assert_eq!(rows_of_first_pass(39, 0.0), 1);
    assert_eq!(rows_of_first_pass(120, 1.0), 6);
    assert_eq!(rows_of_first_pass(119, 1.0), 4);
    // A row that is larger than the budget is still computed.
    assert_eq!(rows_of_first_pass(1, 0.0), 1);
}

#[test]
fn what_a_finished_row_kept_between_passes_is_gone_at_once() {
    let model = load("llada");
    let options = |steps| Options { cache: CacheMode::Dual, ..blocks(&model, 8, steps, 8) };
    let mut session = Session::new(Adapted::plain(&model), Batching::SHARED);
    let short = session.admit(request(0, 5).with_options(&options(2))).unwrap();
    session.admit(request(1, 9).with_options(&options(8))).unwrap();
    session.step();
    assert_eq!(session.cached_positions(), 13 + 17);
    session.step();
    // Its last step is only known to be the last when the next is asked for.
    let events = session.step();
    assert_eq!((events.len(), session.cached_positions()), (1, 17), "{events:?}");
    assert!(matches!(session.step().as_slice(), [Event::Finished(id, _)] if *id == short));
    let rest = session.ids().next().unwrap();
    assert!(session.cancel(rest) && session.cached_positions() == 0);
}

#[test]
fn rows_alone_are_decoded_in_the_order_of_admission_and_shared_ones_step_by_step() {
    let model = load("llada");
    let options = blocks(&model, 8, 4, 8);
    let order = |batching| {
        let mut session = Session::new(Adapted::plain(&model), batching);
        let ids: Vec<RowId> = (0..2).map(|i| session.admit(request(i, 5).with_options(&options)).unwrap()).collect();
        let mut seen = String::new();
        while !session.is_idle() {
            for event in session.step() {
                let row = ids.iter().position(|id| *id == event.row()).unwrap();
                let what = match event {
                    Event::Stepped(_) => 's',
                    Event::Finished(..) => 'f',
                    Event::Failed(..) => 'x',
                };
                seen.push_str(&format!("{row}{what} "));
            }
        }
        seen
    };
    assert_eq!(order(Batching::Rows), "0s 0s 0s 0s 0f 1s 1s 1s 1s 1f ");
    assert_eq!(order(Batching::SHARED), "0s 1s 0s 1s 0s 1s 0s 1s 0f 1f ");
}

#[test]
fn rows_that_count_masks_together_do_not_touch_others() {
    let model = load("dream");
    let options = |count| Options {
        gen_length: 16,
        schedule: Schedule::Timesteps { steps: 5, eps: 1e-3, count },
        commit: Commit::LowConfidence,
        ..Options::dream(blocks(&model, 16, 8, 8).ends)
    };
    let (mean, own) = (options(RevealCount::BatchMean), options(RevealCount::PerRow));
    let forced = |i: usize| request(i, 6).with_forced((0..3 * i).map(|k| (k, 3)));
    let together = decode(&model, &mean, vec![forced(0), forced(2)]).unwrap();
    for batching in [Batching::Rows, Batching::SHARED] {
        let rows = vec![forced(0).with_options(&mean), forced(1).with_options(&own), forced(2).with_options(&mean)];
        let ended: Vec<Answer> = outcomes(&model, batching, rows).into_iter().map(Result::unwrap).collect();
        assert_eq!([&ended[0].ids, &ended[2].ids], [&together[0].ids, &together[1].ids], "{batching:?}");
        assert_eq!(ended[1].ids, one(&model, &own, forced(1)).ids, "{batching:?}");
    }
}

#[test]
fn rows_share_passes_by_default_on_every_device_but_the_cpu() {
    assert_eq!(Batching::default_for(tch::Device::Cpu), Batching::Rows);
    assert_eq!(Batching::default_for(tch::Device::Cuda(0)), Batching::SHARED);
    assert_eq!(Batching::default_for(tch::Device::Mps), Batching::SHARED);
    assert_eq!(Batching::of_questions(tch::Device::Cpu), Batching::Shared { tokens: 4096 });
    assert_eq!(Batching::of_questions(tch::Device::Cuda(0)), Batching::SHARED);
}

#[test]
fn a_request_and_what_becomes_of_it_may_cross_threads() {
    fn crosses<T: Send>() {}
    crosses::<Request>();
    crosses::<Event>();
}
