//! `Program`: what is run.

/// A Python program and what it must withstand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Defines things. Runs in a module of its own, whose `__name__` is `program`.
    pub source: String,
    /// Runs after it, in the same module, and must return normally.
    pub check: String,
}
