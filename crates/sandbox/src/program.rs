//! `Program`: what is run, and how it reaches the harness.

use std::fs::File;
use std::io::{self, Read};

/// The bytes that say that a check returned.
pub(crate) const TOKEN_BYTES: usize = 32;

/// A Python program and what it must withstand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Defines things. Runs in a module of its own, whose `__name__` is `program`.
    pub source: String,
    /// Runs after it, in the same module, and must return normally.
    pub check: String,
}

impl Program {
    /// What the harness reads: two texts with their lengths, then the token.
    pub(crate) fn encode(&self, token: &[u8; TOKEN_BYTES]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.source.len() + self.check.len() + 64);
        for text in [&self.source, &self.check] {
            bytes.extend_from_slice(format!("{:012}", text.len()).as_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(token);
        bytes
    }
}

/// A token nobody has seen. Raw bytes, so that nothing in memory looks like one.
pub(crate) fn fresh_token() -> io::Result<[u8; TOKEN_BYTES]> {
    let mut token = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut token)?;
    Ok(token)
}
