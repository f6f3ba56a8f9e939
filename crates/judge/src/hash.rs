//! Hashes of texts: what verdicts, caches and fences are keyed by.

use mosa_core::hex;
use sha2::{Digest, Sha256};

/// The sha256 of a list of texts as 64 hex digits. Each text goes in as a netstring (`5:text ,`, without the space:
/// its length in bytes, a colon, the text, a comma), so that no two lists are confused.
pub fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(format!("{}:", text.len()));
        hash.update(text);
        hash.update(",");
    }
    hex(&hash.finalize())
}

/// The sha256 of the bytes of one text as 64 hex digits, as `sha256sum` prints it.
pub(crate) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
