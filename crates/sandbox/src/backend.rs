//! `Backend`: what keeps a program in its place.

use std::fmt;
use std::str::FromStr;

/// What keeps a program in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Namespaces made by `bwrap`, with a system call filter.
    Bubblewrap,
    /// Landlock, with a system call filter. Needs no other program and no namespaces.
    Landlock,
    /// A plain child process with limits of time and memory. Not a sandbox.
    None,
}

impl Backend {
    /// All of them, the one that is preferred first.
    pub const ALL: [Self; 3] = [Self::Bubblewrap, Self::Landlock, Self::None];

    /// The name in settings and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not a backend's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no sandbox is called {0:?}: use bubblewrap, landlock or none")]
pub struct UnknownBackend(pub String);

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|b| b.name() == name).ok_or_else(|| UnknownBackend(name.into()))
    }
}
