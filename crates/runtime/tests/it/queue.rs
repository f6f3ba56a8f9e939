use crate::{alone, devices, doing, gate, is_interrupted, load, options, request, start, started};
use mosa_core::Interrupt;
use mosa_engine::{Answer, Batching, EngineError, Options, RevealCount, Schedule};
use mosa_runtime::{Model, Runtime, RuntimeError, Settings};
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn many_threads_that_ask_at_once_get_the_bytes_each_gets_alone() {
    for device in devices() {
        let (model, adapter, _) = load("llada", device);
        for (adapted, batch_size) in [(false, 1), (false, 3), (true, 16)] {
            let (weights, own, text) = load("llada", device);
            let settings = Settings { batching: Batching::Rows, batch_size, stop: Interrupt::new() };
            let runtime = Runtime::start(Model::new(weights, adapted.then_some(own), text), settings).unwrap();
            let options = options(&runtime);
            let together = Barrier::new(5);
            let found: Vec<(usize, Answer)> = std::thread::scope(|scope| {
                let ask = |thread: usize| {
                    let (runtime, options, together) = (runtime.clone(), &options, &together);
                    scope.spawn(move || {
                        together.wait();
                        let numbers = [thread, thread + 5, thread + 10];
                        let first = runtime.decode(vec![request(numbers[0], options)]).unwrap();
                        let rest = numbers[1..].iter().map(|n| request(*n, options)).collect();
                        let answers = first.into_iter().chain(runtime.decode(rest).unwrap()).map(Result::unwrap);
                        numbers.into_iter().zip(answers).collect::<Vec<_>>()
                    })
                };
                let threads: Vec<_> = (0..5).map(ask).collect();
                threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
            });
            assert_eq!(found.len(), 15);
            for (number, answer) in found {
                // Ids, steps, confidences, model calls.
                let alone = alone(&model, adapted.then_some(&adapter), request(number, &options));
                assert_eq!(answer, alone, "request {number}, {batch_size} at a time, on {device:?}");
            }
        }
    }
}

#[test]
fn rows_that_share_passes_have_the_answers_they_have_alone() {
    for device in devices() {
        let (weights, _, text) = load("dream", device);
        let settings = Settings { batching: Batching::SHARED, batch_size: 4, stop: Interrupt::new() };
        let runtime = Runtime::start(Model::new(weights, None, text), settings).unwrap();
        let options = options(&runtime);
        let (model, ..) = load("dream", device);
        let answers = runtime.decode((0..7).map(|n| request(2 * n, &options)).collect()).unwrap();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().ids, alone(&model, None, request(2 * n, &options)).ids, "{n} on {device:?}");
        }
    }
}

#[test]
fn a_request_that_cannot_be_decoded_fails_alone() {
    for device in devices() {
        let runtime = start("llada", device);
        let options = options(&runtime);
        let (model, ..) = load("llada", device);
        let mut masked = request(2, &options);
        masked.prompt[1] = runtime.spec().mask;
        let broken = || Err(EngineError::Intervention { name: "test".into(), what: "as planned".into() });
        let mean = Schedule::Timesteps { steps: 12, eps: 1e-3, count: RevealCount::BatchMean };
        let of_its_batch = Options { schedule: mean, ..Options::dream(options.ends) };
        let asked = vec![
            request(0, &options),
            request(1, &options).with_options(&Options { gen_length: 100_000, ..options.clone() }),
            masked,
            doing(3, &options, 2, broken),
            request(4, &options).with_options(&of_its_batch),
            request(5, &options),
        ];
        let answers = runtime.decode(asked).unwrap();
        for number in [0, 5] {
            assert_eq!(*answers[number].as_ref().unwrap(), alone(&model, None, request(number, &options)));
        }
        assert!(matches!(&answers[1], Err(RuntimeError::Engine(EngineError::Option { option: "gen-length", .. }))));
        assert!(matches!(&answers[2], Err(RuntimeError::Engine(EngineError::Request { .. }))));
        assert!(matches!(&answers[3], Err(RuntimeError::Engine(EngineError::Intervention { .. }))));
        assert!(matches!(&answers[4], Err(RuntimeError::Request(_))), "its answer would depend on its company");
    }
}

#[test]
fn a_stop_keeps_what_is_complete_and_ends_everything_else_that_waits() {
    for device in devices() {
        let stop = Interrupt::new();
        let runtime = started("llada", device, stop.clone(), 2);
        let options = options(&runtime);
        let asked = stop.clone();
        let stopping = move || {
            asked.ask();
            Ok(())
        };
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let counting = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        // The first row runs to its end; the stop comes in the second; the others have not begun.
        let requests = vec![
            request(0, &options),
            doing(1, &options, 3, stopping),
            doing(2, &options, 0, counting),
            request(3, &options),
        ];
        let answers = runtime.decode(requests).unwrap();
        assert!(answers[0].is_ok());
        assert!(answers[1..].iter().all(is_interrupted), "{answers:?}");
        assert_eq!(steps.load(Ordering::SeqCst), 0, "no step is made after a stop");
        assert!(runtime.decode(vec![request(4, &options)]).unwrap().iter().all(is_interrupted));
        assert!(is_interrupted(&runtime.look(|_| ())), "no work begins either");
    }
}

#[test]
fn a_stop_reaches_every_thread_that_waits() {
    let stop = Interrupt::new();
    let runtime = started("llada", devices()[0], stop.clone(), 2);
    let options = options(&runtime);
    let (gate, pass) = gate();
    let first = runtime.submit(vec![doing(1, &options, 4, pass)]).unwrap();
    gate.wait();
    std::thread::scope(|scope| {
        let wait = |n| {
            scope.spawn({
                let (r, o) = (&runtime, &options);
                move || r.submit(vec![request(n, o)]).unwrap()
            })
        };
        let pending: Vec<_> = (2..6).flat_map(|n| wait(n).join().unwrap()).collect();
        let work = runtime.begin(|_| ()).unwrap();
        let waiting: Vec<_> = pending.into_iter().map(|p| scope.spawn(|| p.wait())).collect();
        stop.ask();
        gate.wait();
        assert!(waiting.into_iter().all(|w| is_interrupted(&w.join().unwrap())));
        assert!(is_interrupted(&work.wait()));
    });
    assert!(first.into_iter().all(|p| is_interrupted(&p.wait())));
}

#[test]
fn work_on_the_model_is_done_between_the_steps_of_what_is_decoded() {
    for device in devices() {
        let runtime = start("llada", device);
        let options = options(&runtime);
        let (gate, pass) = gate();
        let row = runtime.submit(vec![doing(1, &options, 2, pass)]).unwrap().remove(0);
        gate.wait();
        let work = runtime.begin(|model| (model.weights.spec().mask, model.adapter.is_some())).unwrap();
        gate.wait();
        assert_eq!(work.wait().unwrap(), (runtime.spec().mask, false));
        let (model, ..) = load("llada", device);
        assert_eq!(row.wait().unwrap(), alone(&model, None, request(1, &options)));
    }
}

#[test]
fn work_may_show_its_caller_something_and_wait_for_what_is_said() {
    let runtime = start("llada", devices()[0]);
    let caller = std::thread::current().id();
    let mut shown = Vec::new();
    let counted = runtime.talk(
        |_, ask: &mut dyn FnMut(usize) -> Option<bool>| (1..100).take_while(|n| ask(*n) == Some(true)).count(),
        |n| {
            assert_eq!(std::thread::current().id(), caller);
            shown.push(n);
            n < 4
        },
    );
    assert_eq!((counted.unwrap(), shown), (3, vec![1, 2, 3, 4]));
}
