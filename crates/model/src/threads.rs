//! CPU threads of a pass.
//!
//! Threads meet after every operation, so a pass that is over in a few milliseconds gets slower with each further one. How
//! many it gets follows from its multiply-adds alone: the same pass has the same threads, and so the same numbers, whatever
//! else the machine does.

use crate::{Call, ModelConfig};
use std::cell::Cell;
use std::ffi::c_int;

/// Multiply-adds that are worth a thread of their own: a millisecond or two of one.
const WORTH_A_THREAD: f64 = 5e7;
/// What every pass gets. A row of the embedded model is faster with two threads than with one, and sums keep the bits they
/// have always had on two cores: how they are split among threads decides their last digit.
const FEWEST: usize = 2;

thread_local! {
    /// What the last pass of this thread was given, if that was less than all.
    static GIVEN: Cell<Option<Given>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Given {
    threads: c_int,
    /// What there was before.
    all: c_int,
}

/// Lets passes of this thread, and of threads that are started later, use at most `threads` CPU threads.
///
/// libtorch's setter empties caches of the whole process, so it is called only where the number is another one.
pub fn set_threads(threads: c_int) {
    GIVEN.set(None);
    if tch::get_num_threads() != threads {
        tch::set_num_threads(threads);
    }
}

/// The CPU threads, of `all`, that a pass of so many multiply-adds is worth.
pub fn threads_for(multiply_adds: f64, all: usize) -> usize {
    ((multiply_adds / WORTH_A_THREAD) as usize).max(FEWEST).min(all.max(1))
}

/// Gives the next operations of this thread the threads that `call` is worth.
pub(crate) fn share_out(config: &ModelConfig, call: &Call<'_>) {
    give_threads(threads_for(multiply_adds(config, call), all_threads()) as c_int);
}

/// The CPU threads that passes of the calling thread may use; a pass gets as many of them as it is worth.
pub fn all_threads() -> usize {
    let now = tch::get_num_threads();
    let all = GIVEN.get().filter(|given| given.threads == now).map_or(now, |given| given.all);
    usize::try_from(all).unwrap_or(1)
}

fn give_threads(threads: c_int) {
    let all = all_threads() as c_int;
    if threads != tch::get_num_threads() {
        use_threads(threads);
    }
    GIVEN.set((threads != all).then_some(Given { threads, all }));
}

/// Body and head: the one computes every position, the other those that are scored.
fn multiply_adds(config: &ModelConfig, call: &Call<'_>) -> f64 {
    let width = call.rows.iter().map(|row| row.tokens.len()).max().unwrap_or(0);
    let body: f64 = call.rows.iter().map(|row| config.multiply_adds(width, row.attended().max(width), 0)).sum();
    body + config.multiply_adds(0, 0, call.want.len())
}

/// libtorch's own setter also empties caches and rebuilds pools of the whole process, which costs more than a small pass;
/// its operations ask OpenMP how many threads the calling one may use.
#[cfg(target_os = "linux")]
fn use_threads(threads: c_int) {
    // SAFETY: a function of the OpenMP library that libtorch uses; it sets a number of the calling thread.
    #[allow(unsafe_code)]
    unsafe extern "C" {
        safe fn omp_set_num_threads(threads: c_int);
    }
    omp_set_num_threads(threads);
}

#[cfg(not(target_os = "linux"))]
fn use_threads(threads: c_int) {
    tch::set_num_threads(threads);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_passes_get_two_threads_and_large_ones_all() {
        assert_eq!([0.0, 1e8, 2.5e8, 1e12].map(|work| threads_for(work, 16)), [2, 2, 5, 16]);
        assert_eq!([0.0, 1e12].map(|work| threads_for(work, 2)), [2, 2], "two cores: nothing changes");
        assert_eq!([0.0, 1e12].map(|work| threads_for(work, 1)), [1, 1]);
    }

    #[test]
    fn a_small_pass_does_not_lower_what_a_later_large_one_gets() {
        let all = tch::get_num_threads();
        let give = |work: f64| give_threads(threads_for(work, all_threads()) as c_int);
        for (work, threads) in [(0.0, all.min(2)), (1e12, all), (0.0, all.min(2)), (1e12, all)] {
            give(work);
            assert_eq!((tch::get_num_threads(), all_threads()), (threads, all as usize));
        }
        give(0.0);
        set_threads(1);
        assert_eq!((all_threads(), threads_for(1e12, all_threads())), (1, 1), "--threads counts from then on");
        set_threads(all);
    }
}
