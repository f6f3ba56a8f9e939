//! The model families mosa knows.

use std::fmt;

/// A family of masked diffusion language models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// LLaDA 8B Base, Instruct and 1.5.
    Llada,
    /// MMaDA, its text side.
    Mmada,
    /// Dream and DiffuCoder.
    Dream,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Llada => "LLaDA",
            Self::Mmada => "MMaDA",
            Self::Dream => "Dream",
        })
    }
}
