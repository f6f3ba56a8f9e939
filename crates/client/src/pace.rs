//! How fast and how many at once: requests per minute, and slots.

use mosa_core::Interrupt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often somebody who waits for others looks whether to stop.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Spaces requests evenly, and holds all of them back when the endpoint asks to.
pub(crate) struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_minute: Option<f64>) -> Self {
        let interval = per_minute.map_or(Duration::ZERO, |r| Duration::from_secs_f64(60.0 / r));
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this request's turn; false if it was asked to stop before.
    pub(crate) fn wait(&self, stop: &Interrupt) -> bool {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(now);
        *next = turn + self.interval;
        drop(next);
        stop.sleep(turn - now)
    }

    /// Lets no further request go for this long.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(until);
    }
}

/// A counting semaphore.
pub(crate) struct Slots {
    free: Mutex<usize>,
    changed: Condvar,
}

/// One taken slot; free again when dropped.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), changed: Condvar::new() }
    }

    /// Takes a slot, waiting for one if there is none; nothing if it was asked to stop before.
    pub(crate) fn take(&self, stop: &Interrupt) -> Option<Slot<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            if stop.asked() {
                return None;
            }
            free = self.changed.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Some(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}
