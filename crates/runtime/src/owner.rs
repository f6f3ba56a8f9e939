//! Which threads belong to a model.

use std::cell::Cell;

thread_local! {
    static OWNS_A_MODEL: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread is a model's.
pub(crate) fn become_a_models_thread() {
    OWNS_A_MODEL.set(true);
}

/// Whether this thread is the one of a model, and so must not wait for one.
pub(crate) fn on_a_models_thread() -> bool {
    OWNS_A_MODEL.get()
}
