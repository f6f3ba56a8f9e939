//! Requests of many threads, worked off together by whichever of them holds the model.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Work that is handed in one piece at a time and done many pieces at a time. A thread that waits for the model finds its
/// result already made when another thread took its request along.
pub(crate) struct Batch<Q, R> {
    state: Mutex<State<Q, R>>,
    changed: Condvar,
}

struct State<Q, R> {
    waiting: Vec<(u64, Q)>,
    done: Vec<(u64, R)>,
    next: u64,
    busy: bool,
    /// Whether a thread panicked with the requests of others in its hands.
    broken: bool,
}

/// Tells the others if the thread that works for them panics.
struct Working<'a, Q, R>(&'a Batch<Q, R>);

impl<Q, R> Drop for Working<'_, Q, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl<Q, R> Batch<Q, R> {
    pub(crate) fn new() -> Self {
        let state = State { waiting: Vec::new(), done: Vec::new(), next: 0, busy: false, broken: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Hands in requests and waits for their results, in order. `work` gets everything that waits; it is called by one
    /// thread at a time and must return one result per request.
    ///
    /// # Panics
    /// If `work` panicked in another thread: nobody is left waiting for a result that will not come.
    pub(crate) fn ask(&self, requests: Vec<Q>, work: impl Fn(Vec<Q>) -> Vec<R>) -> Vec<R> {
        let mut state = self.lock();
        let first = state.next;
        let count = requests.len() as u64;
        state.next += count;
        state.waiting.extend((first..).zip(requests));
        loop {
            if let Some(results) = take(&mut state.done, first..first + count) {
                return results;
            }
            assert!(!state.broken, "a thread that decoded for others panicked");
            if state.busy {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let (numbers, queries): (Vec<u64>, Vec<Q>) = std::mem::take(&mut state.waiting).into_iter().unzip();
            drop(state);
            let working = Working(self);
            let results = work(queries);
            drop(working);
            state = self.lock();
            state.done.extend(numbers.into_iter().zip(results));
            state.busy = false;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<Q, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The results of a range of numbers, once all are there.
fn take<R>(done: &mut Vec<(u64, R)>, range: std::ops::Range<u64>) -> Option<Vec<R>> {
    let mine = |n: &u64| range.contains(n);
    if (done.iter().filter(|(n, _)| mine(n)).count() as u64) < range.end - range.start {
        return None;
    }
    let (mut own, rest): (Vec<_>, Vec<_>) = std::mem::take(done).into_iter().partition(|(n, _)| mine(n));
    *done = rest;
    own.sort_by_key(|(n, _)| *n);
    Some(own.into_iter().map(|(_, r)| r).collect())
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::time::Duration;

    #[test]
    fn nobody_waits_for_a_thread_that_panicked_with_their_request() {
        let (batch, both) = (Batch::<u8, u8>::new(), Barrier::new(2));
        let first = |_: Vec<u8>| -> Vec<u8> {
            both.wait();
            std::thread::sleep(Duration::from_millis(20));
            panic!("as planned");
        };
        std::thread::scope(|scope| {
            let one = scope.spawn(|| batch.ask(vec![1], first));
            both.wait();
            let two = catch_unwind(AssertUnwindSafe(|| batch.ask(vec![2], |all| all)));
            assert!(one.join().is_err() && two.is_err());
        });
    }
}
