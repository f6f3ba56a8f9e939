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
}

impl<Q, R> Batch<Q, R> {
    pub(crate) fn new() -> Self {
        let state = State { waiting: Vec::new(), done: Vec::new(), next: 0, busy: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Hands in requests and waits for their results, in order. `work` gets everything that waits; it is called by one
    /// thread at a time and must return one result per request.
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
            if state.busy {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let (numbers, queries): (Vec<u64>, Vec<Q>) = std::mem::take(&mut state.waiting).into_iter().unzip();
            drop(state);
            let results = work(queries);
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
