//! Signs of life: every rank counts up in the store, on a thread of its own, so that the others can tell who is gone. Counts
//! are compared with earlier ones, never with a clock of another machine.

use crate::store::Store;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// How often a rank shows that it lives.
const EVERY: Duration = Duration::from_millis(250);
/// How often the thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// How long its end is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a rank last showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Signs so far.
    pub(crate) count: u64,
    /// Exchanges it has come to.
    pub(crate) exchanges: u64,
}

/// The thread that shows that this rank lives.
#[derive(Debug)]
pub(crate) struct Beat {
    exchanges: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: RefCell<Option<JoinHandle<()>>>,
}

/// The key of a rank.
pub(crate) fn key(rank: usize) -> String {
    format!("beat/{rank}")
}

impl Sign {
    fn bytes(self) -> [u8; 16] {
        let mut all = [0; 16];
        all[..8].copy_from_slice(&self.count.to_le_bytes());
        all[8..].copy_from_slice(&self.exchanges.to_le_bytes());
        all
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let number = |part: &[u8]| Some(u64::from_le_bytes(part.try_into().ok()?));
        Some(Self { count: number(bytes.get(..8)?)?, exchanges: number(bytes.get(8..)?)? })
    }
}

impl Beat {
    /// Begins, over a connection to the store of its own. Ends by itself where the store goes.
    pub(crate) fn start(store: Store, rank: usize) -> Self {
        let (exchanges, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, over) = (exchanges.clone(), ends.clone());
        let work = move || {
            let mut count = 0;
            while !over.load(Ordering::SeqCst) {
                count += 1;
                let sign = Sign { count, exchanges: counted.load(Ordering::SeqCst) };
                if store.set(&key(rank), &sign.bytes()).is_err() {
                    return;
                }
                for _ in 0..EVERY.as_millis() / LOOK.as_millis() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    sleep(LOOK);
                }
            }
        };
        Self { exchanges, ends, thread: RefCell::new(std::thread::Builder::new().name("beat".into()).spawn(work).ok()) }
    }

    /// Counts an exchange that this rank comes to.
    pub(crate) fn comes(&self) {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
    }

    /// Exchanges so far.
    pub(crate) fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::SeqCst)
    }

    /// Ends the thread, unless it waits for a store that does not answer.
    pub(crate) fn stop(&self) {
        self.ends.store(true, Ordering::SeqCst);
        let began = Instant::now();
        while self.thread.borrow().as_ref().is_some_and(|thread| !thread.is_finished()) && began.elapsed() < PATIENCE {
            sleep(LOOK / 10);
        }
        self.thread.take();
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.stop();
    }
}
