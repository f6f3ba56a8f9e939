//! What a harness is given: a program, and the nonce that says that its check returned.

use crate::Program;
use std::fs::File;
use std::io::{self, Read};

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 32;

/// What the harness reads: two texts with their lengths, then the nonce.
pub(crate) fn encode(program: &Program, nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.source.len() + program.check.len() + 64);
    for text in [&program.source, &program.check] {
        bytes.extend_from_slice(format!("{:012}", text.len()).as_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(nonce);
    bytes
}

/// A nonce nobody has seen. Raw bytes, so that nothing in memory looks like one.
pub(crate) fn fresh_nonce() -> io::Result<[u8; NONCE_BYTES]> {
    let mut nonce = [0; NONCE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut nonce)?;
    Ok(nonce)
}
