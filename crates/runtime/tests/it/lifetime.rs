use crate::{alone, devices, doing, gate, load, options, request, start, started};
use mosa_core::Interrupt;
use mosa_model::{all_threads, set_threads};
use mosa_runtime::{Runtime, RuntimeError};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// The words of a model, for as long as its thread has it.
fn of_the_thread(runtime: &Runtime) -> Weak<mosa_text::TextModel> {
    runtime.look(|model| Arc::downgrade(&model.text)).unwrap()
}

fn panicked<T>(result: Result<T, RuntimeError>, words: &str) -> bool {
    matches!(result, Err(RuntimeError::Panicked(what)) if what.contains(words))
}

#[test]
fn a_panic_reaches_everybody_who_waits_and_everybody_who_comes_later() {
    let runtime = start("llada", devices()[0]);
    let options = options(&runtime);
    let (gate, mut pass) = gate();
    let breaking = move || {
        pass()?;
        panic!("as planned");
    };
    let broken = runtime.submit(vec![doing(1, &options, 4, breaking), request(2, &options)]).unwrap();
    gate.wait();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (3..8)
            .map(|n| {
                let pending = runtime.submit(vec![request(n, &options)]).unwrap().remove(0);
                scope.spawn(move || pending.wait())
            })
            .collect();
        let work = runtime.begin(|_| ()).unwrap();
        gate.wait();
        assert!(waiting.into_iter().all(|w| panicked(w.join().unwrap(), "as planned")));
        assert!(panicked(work.wait(), "as planned"));
    });
    assert!(broken.into_iter().all(|p| panicked(p.wait(), "as planned")));
    assert!(panicked(runtime.clone().look(|_| ()), "as planned"));
    assert!(panicked(runtime.decode(vec![request(9, &options)]), "as planned"));
}

#[test]
fn a_panic_of_work_on_the_model_is_an_error_of_whoever_asked_for_it() {
    let runtime = start("llada", devices()[0]);
    let number = 7;
    let broken: Result<(), _> = runtime.look(move |_| panic!("panic number {number}"));
    assert!(panicked(broken, "panic number 7"));
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    for device in devices() {
        let runtime = start("llada", device);
        let words = of_the_thread(&runtime);
        let other = runtime.clone();
        drop(runtime);
        assert!(other.look(|_| ()).is_ok());
        drop(other);
        assert!(words.upgrade().is_none(), "the model is gone");
    }
}

#[test]
fn what_somebody_still_waits_for_is_decoded_after_the_last_handle() {
    for device in devices() {
        let runtime = start("llada", device);
        let options = options(&runtime);
        let words = of_the_thread(&runtime);
        let pending = runtime.submit((0..5).map(|n| request(n, &options)).collect()).unwrap();
        drop(runtime);
        assert!(words.upgrade().is_none());
        let (model, ..) = load("llada", device);
        for (n, pending) in pending.into_iter().enumerate() {
            assert_eq!(pending.wait().unwrap(), alone(&model, None, request(n, &options)));
        }
    }
}

#[test]
fn what_nobody_waits_for_any_more_is_not_decoded() {
    let runtime = started("llada", devices()[0], Interrupt::new(), 2);
    let options = options(&runtime);
    let (gate, mut pass) = gate();
    let steps = Arc::new(AtomicUsize::new(0));
    let counter = |step: u64| {
        let steps = Arc::clone(&steps);
        move || {
            steps.fetch_add(step as usize + 1, Ordering::SeqCst);
            Ok(())
        }
    };
    let counted = counter(0);
    let first = move || {
        pass()?;
        counted()
    };
    let late = request(1, &options);
    let mut given_up = doing(1, &options, 1, first);
    given_up.interventions.extend(doing(1, &options, 3, counter(99)).interventions);
    let given_up = runtime.submit(vec![given_up, doing(2, &options, 0, counter(999))]).unwrap();
    gate.wait();
    drop(given_up);
    gate.wait();
    assert!(runtime.decode(vec![late]).unwrap().remove(0).is_ok(), "whoever still waits is answered");
    drop(runtime);
    assert_eq!(steps.load(Ordering::SeqCst), 1, "only the step under way was made");
}

#[test]
fn work_on_a_models_thread_cannot_wait_for_a_model() {
    let (one, two) = (start("llada", devices()[0]), start("llada", devices()[0]));
    for asked in [one.clone(), two] {
        let options = options(&asked);
        let nested = move |_: &mosa_runtime::Model| {
            let pending = asked.submit(vec![request(0, &options)]).unwrap().remove(0);
            let answers = asked.decode(vec![request(0, &options)]);
            [asked.look(|_| ()).unwrap_err(), answers.unwrap_err(), pending.wait().unwrap_err()]
        };
        let errors = one.look(nested).unwrap();
        assert!(errors.iter().all(|e| matches!(e, RuntimeError::Nested)), "{errors:?}");
    }
}

#[test]
fn the_last_handle_may_end_on_the_models_own_thread() {
    let runtime = start("llada", devices()[0]);
    let own = runtime.clone();
    let work = runtime.begin(move |_| drop(own)).unwrap();
    drop(runtime);
    work.wait().unwrap();
}

/// Says that a test is in a process of its own, where it may change what all threads share.
const ALONE: &str = "MOSA_TEST_ALONE";

#[test]
fn the_model_computes_with_as_many_threads_as_its_owner_would() {
    if std::env::var_os(ALONE).is_none() {
        let name = "lifetime::the_model_computes_with_as_many_threads_as_its_owner_would";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let usual = all_threads();
    for threads in [1, 3] {
        set_threads(threads);
        let runtime = start("llada", devices()[0]);
        set_threads(i32::try_from(usual).unwrap());
        assert_eq!(runtime.look(|_| all_threads()).unwrap(), usize::try_from(threads).unwrap());
    }
}
