//! The ledger of an endpoint: what is spent, what is reserved, and whether another call fits.
//!
//! A call reserves all it may cost before it is sent; spent plus reserved never exceeds the budget. A request is
//! counted at its reservation unless something better is known, so a forgotten one errs to the safe side.

use crate::pace::LOOK;
use crate::{Budget, BudgetKind, EndpointError, Price, Usage};
use mosa_core::Interrupt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Need {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
}

impl Need {
    fn plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            completion: self.completion.saturating_add(other.completion),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_sub(other.prompt),
            completion: self.completion.saturating_sub(other.completion),
        }
    }

    fn total(self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }

    fn money(self, price: Price) -> f64 {
        (self.prompt as f64 * price.prompt_per_million + self.completion as f64 * price.completion_per_million) * 1e-6
    }
}

#[derive(Default)]
struct State {
    requests: u64,
    spent: Need,
    presumed: u64,
    reserved: Need,
    open: usize,
    refused: u64,
}

/// Counts what is used. Money follows from tokens, so it does not drift.
pub(crate) struct Ledger {
    budget: Budget,
    price: Price,
    state: Mutex<State>,
    changed: Condvar,
}

/// What one request may cost. Dropped without more, it counts in full.
pub(crate) struct Reservation<'a> {
    ledger: &'a Ledger,
    need: Need,
    closed: bool,
}

impl Ledger {
    pub(crate) fn new(budget: Budget, price: Price) -> Self {
        Self { budget, price, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn usage(&self) -> Usage {
        let state = self.lock();
        Usage {
            requests: state.requests,
            prompt_tokens: state.spent.prompt,
            completion_tokens: state.spent.completion,
            presumed_tokens: state.presumed,
            money: state.spent.money(self.price),
            refused_by_budget: state.refused,
            ..Usage::default()
        }
    }

    /// Reserves what a request may cost. While calls under way could still give some of theirs back, it waits for
    /// them; so the number of calls a budget allows hardly depends on how many run at once.
    pub(crate) fn reserve(&self, need: Need, stop: &Interrupt) -> Result<Reservation<'_>, EndpointError> {
        let mut state = self.lock();
        while let Err(error) = self.fits(&state, need) {
            // Calls that a stop has ended may leave nothing: that is the stop's doing and no refusal.
            if stop.asked() {
                return Err(EndpointError::Interrupted);
            }
            let hopeless = state.open == 0 || self.fits(&State { reserved: Need::default(), ..*state }, need).is_err();
            if hopeless {
                state.refused += 1;
                return Err(error);
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.requests += 1;
        state.open += 1;
        state.reserved = state.reserved.plus(need);
        Ok(Reservation { ledger: self, need, closed: false })
    }

    fn fits(&self, state: &State, need: Need) -> Result<(), EndpointError> {
        let used = state.spent.plus(state.reserved);
        let checks = [
            (BudgetKind::Requests, self.budget.requests.map(|n| n as f64), state.requests as f64, 1.0),
            (BudgetKind::Tokens, self.budget.tokens.map(|n| n as f64), used.total() as f64, need.total() as f64),
            (BudgetKind::Money, self.budget.money, used.money(self.price), need.money(self.price)),
        ];
        for (kind, limit, used, needed) in checks {
            if let Some(limit) = limit
                && used + needed > limit
            {
                return Err(EndpointError::Budget { kind, limit, used, needed });
            }
        }
        Ok(())
    }

    fn close(&self, need: Need, spent: Need, presumed: u64) {
        let mut state = self.lock();
        state.open -= 1;
        state.reserved = state.reserved.minus(need);
        state.spent = state.spent.plus(spent);
        state.presumed = state.presumed.saturating_add(presumed);
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation<'_> {
    /// It cost this much.
    pub(crate) fn settle(mut self, spent: Need) {
        self.closed = true;
        self.ledger.close(self.need, spent, 0);
    }

    /// It cost nothing.
    pub(crate) fn release(self) {
        self.settle(Need::default());
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.ledger.close(self.need, self.need, self.need.total());
        }
    }
}
