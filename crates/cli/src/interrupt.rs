//! Ctrl-C: the first one says so and ends the command within a second, the second one ends it at once.
//!
//! What waits or works in steps sees the request ([`stop`], [`asked`]) and ends by itself, with what it has. What sees
//! nothing (a pass of a model, a file of any size, a search for duplicates) is left where it is after a moment, as by a
//! kill: records are made so that this loses at most the one being written. Only work that is worth finishing
//! ([`finishing`]) is waited for.

use crate::output;
use mosa_core::Interrupt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Once};
use std::thread;
use std::time::{Duration, Instant};

/// How long a command may take to end by itself.
const MOMENT: Duration = Duration::from_millis(500);
/// How often it is looked whether work that is worth finishing is under way.
const LOOK: Duration = Duration::from_millis(10);

static STOP: LazyLock<Interrupt> = LazyLock::new(Interrupt::new);
static SAID: Once = Once::new();
/// Pieces of work under way that are worth finishing.
static FINISHING: AtomicUsize = AtomicUsize::new(0);

/// Installs the handler. Where that fails, Ctrl-C ends the program as usual.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        if STOP.asked() {
            leave();
        }
        STOP.ask();
        // Saying something can block; the next Ctrl-C must not wait for that.
        if thread::Builder::new().spawn(see_to_the_end).is_err() {
            leave();
        }
    });
}

/// The request to stop, for whatever waits.
pub(crate) fn stop() -> Interrupt {
    STOP.clone()
}

/// Ends this process as Ctrl-C does, without a word: whoever started it says why.
pub(crate) fn end() {
    STOP.ask();
    SAID.call_once(|| {});
    let end = || {
        see_to_what_is_worth_it();
        leave()
    };
    if thread::Builder::new().spawn(end).is_err() {
        leave();
    }
}

/// Whether Ctrl-C was pressed.
pub(crate) fn asked() -> bool {
    stop().asked()
}

/// From now until this is dropped, the command does what is worth finishing: it looks at [`asked`] often, or what it would
/// lose took long.
#[must_use]
pub(crate) struct Finishing(());

/// Begins work that is worth finishing.
pub(crate) fn finishing() -> Finishing {
    FINISHING.fetch_add(1, Ordering::SeqCst);
    Finishing(())
}

impl Drop for Finishing {
    fn drop(&mut self) {
        FINISHING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn is_finishing() -> bool {
    FINISHING.load(Ordering::SeqCst) > 0
}

/// Says that the command is about to stop, if that is not said yet.
pub(crate) fn announce() {
    SAID.call_once(|| {
        let what = if is_finishing() { "stopping after the step under way" } else { "stopping" };
        output::say(&format!("mosa: {what}; what is done is kept; Ctrl-C again ends at once"));
    });
}

fn see_to_the_end() {
    let _ = thread::Builder::new().spawn(announce);
    see_to_what_is_worth_it();
    if SAID.is_completed() {
        output::clear();
        output::say("mosa: interrupted");
    }
    leave()
}

/// Waits until nothing that is worth finishing has been under way for a moment.
fn see_to_what_is_worth_it() {
    let mut free = Instant::now();
    while free.elapsed() < MOMENT {
        thread::sleep(LOOK);
        if is_finishing() {
            free = Instant::now();
        }
    }
}

/// Ends the program as interrupted and nothing else: destructors of libraries whose threads are at work could crash.
#[cfg(unix)]
pub(crate) fn leave() -> ! {
    // SAFETY: ends the process; takes no pointers and does not return.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(130)
    }
}

/// Ends the program as interrupted.
#[cfg(not(unix))]
pub(crate) fn leave() -> ! {
    std::process::exit(130)
}
