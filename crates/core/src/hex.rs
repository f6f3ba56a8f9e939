//! Bytes as hexadecimal digits, as hashes are written everywhere.

use std::fmt::Write;

/// Two lower-case digits for every byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing into a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
