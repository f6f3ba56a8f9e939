//! A request to stop, seen by everything that waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How often work on another thread is looked after while it is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// Whether somebody asked to stop. All clones share one answer; once asked, it stays asked.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Interrupt {
    /// One that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that shares this interrupt to stop, and wakes what sleeps on it.
    pub fn ask(&self) {
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.asked.store(true, Ordering::SeqCst);
        self.0.changed.notify_all();
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Sleeps for `duration`. Returns at once with false where a stop is or gets asked for, and true after a full sleep.
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = Instant::now().checked_add(duration);
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.asked() {
            let left = match until {
                Some(until) => until.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                return true;
            }
            // Some platforms overflow where a wait is too long.
            let left = left.min(Duration::from_secs(3600));
            guard = self.0.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Does work that cannot be stopped on a thread of its own and waits for it. `None` as soon as a stop is asked for: the
    /// work then goes on unseen and what it comes to is dropped. A panic of the work goes on here.
    pub fn wait_for<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if self.asked() {
            return None;
        }
        let (done, result) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _ = done.send(work());
        });
        loop {
            match result.recv_timeout(LOOK) {
                Ok(value) => return Some(value),
                Err(mpsc::RecvTimeoutError::Timeout) if self.asked() => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
                    Ok(()) => return None,
                    Err(panic) => std::panic::resume_unwind(panic),
                },
            }
        }
    }
}
