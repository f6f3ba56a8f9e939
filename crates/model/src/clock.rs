//! The time that the passes of a thread have taken.

use std::cell::Cell;
use std::time::{Duration, Instant};
use tch::Device;

/// What the passes of a thread have taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardTime {
    /// How many there were.
    pub passes: u64,
    /// How long they took.
    pub spent: Duration,
}

thread_local! {
    static SO_FAR: Cell<ForwardTime> = const { Cell::new(ForwardTime { passes: 0, spent: Duration::ZERO }) };
}

/// What the passes of the calling thread that were made through [`crate::Adapted::forward`] have taken so far.
///
/// On the CPU that is the time inside the model. A device is only told what to do there, and works while the thread
/// goes on; so the time until the first numbers of a pass are on the host ([`waiting`]) counts as well, and with it the
/// little that was made of its logits on the device. Nothing is waited for that would not have been.
pub fn forward_time() -> ForwardTime {
    SO_FAR.get()
}

/// Copies numbers of a pass to the host. What a device still had to do for them is time of the pass.
pub fn waiting<T>(device: Device, copy: impl FnOnce() -> T) -> T {
    if device == Device::Cpu { copy() } else { timed(0, copy) }
}

/// Does what belongs to so many passes.
pub(crate) fn timed<T>(passes: u64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let ForwardTime { passes: before, spent } = SO_FAR.get();
    SO_FAR.set(ForwardTime { passes: before + passes, spent: spent + start.elapsed() });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_count_where_they_are_made_and_waiting_counts_on_a_device_only() {
        std::thread::spawn(|| {
            assert_eq!(timed(1, || 7), 7);
            let one = forward_time();
            assert_eq!(one.passes, 1);
            waiting(Device::Cpu, || std::hint::black_box(0));
            assert_eq!(forward_time(), one);
            let start = Instant::now();
            waiting(Device::Cuda(0), || while start.elapsed().is_zero() {});
            assert!(forward_time().passes == 1 && forward_time().spent > one.spent);
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert_eq!(forward_time(), ForwardTime::default(), "every thread has its own");
    }
}
