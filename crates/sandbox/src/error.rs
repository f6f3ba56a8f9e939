//! What can go wrong around a program; what goes wrong in it is an `Outcome`.

use crate::Backend;

/// An error that says what is missing and how to get it.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No usable Python.
    #[error("python3: {0}; install CPython 3.9 or later so that `python3` is on PATH")]
    Python(String),
    /// A backend that was asked for cannot be used.
    #[error("the {backend} sandbox cannot be used: {why}")]
    Unusable {
        /// Which.
        backend: Backend,
        /// Why, and what to do.
        why: String,
    },
    /// No backend can be used.
    #[error("no sandbox for untrusted programs can be used here: {bubblewrap}; {landlock}")]
    NoBackend {
        /// Why not bubblewrap.
        bubblewrap: String,
        /// Why not Landlock.
        landlock: String,
    },
    /// The start-up self-test got out.
    #[error("the {backend} sandbox does not hold here, so it is not used. Not contained: {escapes}")]
    Escaped {
        /// Which.
        backend: Backend,
        /// Name and evidence of each escape.
        escapes: String,
    },
    /// A program was not started, or could not be watched.
    #[error("a sandboxed Python could not be run: {0}")]
    Run(String),
}

#[cfg(target_os = "linux")]
impl SandboxError {
    /// An operating system's error while doing `what`.
    pub(crate) fn io(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |e| Self::Run(format!("{what}: {e}"))
    }
}
