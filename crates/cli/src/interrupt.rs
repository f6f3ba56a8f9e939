//! Ctrl-C: the first one asks to stop, the second one stops.

use mosa_core::Interrupt;
use std::sync::LazyLock;

static STOP: LazyLock<Interrupt> = LazyLock::new(Interrupt::new);

/// Installs the handler. Where that fails, Ctrl-C ends the program as usual.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        if STOP.asked() {
            std::process::exit(130);
        }
        STOP.ask();
    });
}

/// The request to stop, for whatever waits.
pub(crate) fn stop() -> Interrupt {
    STOP.clone()
}

/// Whether Ctrl-C was pressed.
pub(crate) fn asked() -> bool {
    STOP.asked()
}
