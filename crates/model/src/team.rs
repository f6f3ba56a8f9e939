//! Work shared by the CPU threads of a pass.
//!
//! libtorch's threads are OpenMP's. Work of ours goes to the same ones: they are awake, and a second pool would fight them
//! for the cores.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Calls `work` for parts of 0..total that together are all of it, each a multiple of `grain` long (but the last), as many
/// at a time as the calling thread may use. `work` must not panic.
pub(crate) fn in_parts(total: usize, grain: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
    let grains = total.div_ceil(grain);
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(grains).max(1);
    if threads == 1 {
        return work(0..total);
    }
    // As evenly as whole grains allow.
    let edge = |i: usize| (grains * i / threads * grain).min(total);
    together(threads, &|i: usize| work(edge(i)..edge(i + 1)));
}

/// Calls `work` with each number below `total`, as many at a time as the calling thread may use. Every thread goes
/// through a share of its own in order, and then helps others with theirs. `work` must not panic.
pub(crate) fn in_turns(total: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(total).max(1);
    if threads == 1 {
        return (0..total).for_each(work);
    }
    let edge = |i: usize| total * i / threads;
    let next: Vec<AtomicUsize> = (0..threads).map(|i| AtomicUsize::new(edge(i))).collect();
    together(threads, &|me: usize| {
        for whose in (me..threads).chain(0..me) {
            loop {
                let i = next[whose].fetch_add(1, Relaxed);
                if i >= edge(whose + 1) {
                    break;
                }
                work(i);
            }
        }
    });
}

/// Calls `work` with each number below `threads`.
#[cfg(target_os = "linux")]
fn together(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    use std::ffi::{c_int, c_uint, c_void};
    // SAFETY: what GCC's compilers call for a parallel region (libgomp and its substitutes export it), and a function of
    // OpenMP's own interface.
    #[allow(unsafe_code)]
    unsafe extern "C" {
        fn GOMP_parallel(run: extern "C" fn(*mut c_void), data: *mut c_void, threads: c_uint, flags: c_uint);
        safe fn omp_get_thread_num() -> c_int;
        safe fn omp_get_num_threads() -> c_int;
    }
    struct Job<'a> {
        threads: usize,
        work: &'a (dyn Fn(usize) + Sync),
    }
    extern "C" fn run(data: *mut c_void) {
        // SAFETY: the job outlives the region, which ends only when every thread has returned.
        #[allow(unsafe_code)]
        let job = unsafe { &*data.cast::<Job<'_>>() };
        let (mut i, step) = (omp_get_thread_num().max(0) as usize, omp_get_num_threads().max(1) as usize);
        // A team may be smaller than what was asked for.
        while i < job.threads {
            (job.work)(i);
            i += step;
        }
    }
    let mut job = Job { threads, work };
    // SAFETY: `run` takes the job it is given; nothing of it is changed by the threads.
    #[allow(unsafe_code)]
    unsafe {
        GOMP_parallel(run, (&raw mut job).cast(), threads as c_uint, 0);
    }
}

#[cfg(not(target_os = "linux"))]
fn together(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| {
        for i in 1..threads {
            scope.spawn(move || work(i));
        }
        work(0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once() {
        for (total, grain) in [(1, 4), (7, 4), (1000, 16), (64, 64), (0, 4)] {
            let seen: Vec<AtomicUsize> = (0..total).map(|_| AtomicUsize::new(0)).collect();
            in_parts(total, grain, &|part| {
                part.for_each(|i| {
                    seen[i].fetch_add(1, Relaxed);
                })
            });
            assert!(seen.iter().all(|n| n.load(Relaxed) == 1), "{total} in {grain}");
            in_turns(total, &|i| {
                seen[i].fetch_add(1, Relaxed);
            });
            assert!(seen.iter().all(|n| n.load(Relaxed) == 2), "{total} in turns");
        }
    }
}
