//! Time, shared out among the cases under way.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Counts seconds of one case: while n cases are under way, each second is 1/n of a second for each of them.
pub(crate) struct Clock(Mutex<State>);

struct State {
    at: Instant,
    under_way: usize,
    counted: f64,
}

/// A case that began.
pub(crate) struct Begun(f64);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { at: Instant::now(), under_way: 0, counted: 0.0 }))
    }

    /// A case begins.
    pub(crate) fn begin(&self) -> Begun {
        let mut state = self.advanced();
        state.under_way += 1;
        Begun(state.counted)
    }

    /// A case ends; its seconds.
    pub(crate) fn end(&self, Begun(from): Begun) -> f64 {
        let mut state = self.advanced();
        state.under_way = state.under_way.saturating_sub(1);
        state.counted - from
    }

    fn advanced(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.under_way > 0 {
            state.counted += (now - state.at).as_secs_f64() / state.under_way as f64;
        }
        state.at = now;
        state
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use std::time::{Duration, Instant};

    #[test]
    fn cases_under_way_together_share_the_time_and_the_sum_is_all_of_it() {
        let clock = Clock::new();
        std::thread::sleep(Duration::from_millis(5));
        let started = Instant::now();
        let one = clock.begin();
        std::thread::sleep(Duration::from_millis(10));
        let two = clock.begin();
        std::thread::sleep(Duration::from_millis(10));
        let shares = [clock.end(one), clock.end(two)];
        let whole = started.elapsed().as_secs_f64();
        assert!(shares.iter().sum::<f64>() <= whole && shares.iter().sum::<f64>() >= 0.02 - 1e-9);
        assert!(shares[0] > shares[1] && shares[1] >= 0.005 - 1e-9);
        assert_eq!(clock.advanced().under_way, 0);
    }
}
