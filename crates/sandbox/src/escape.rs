//! `Escape`: one thing that a program of the self-test tried.

use std::fmt;

/// One thing that a program tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// What it tried.
    pub name: &'static str,
    /// Whether it was kept from it.
    pub contained: bool,
    /// The evidence.
    pub what: String,
}

impl fmt::Display for Escape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.what)
    }
}
