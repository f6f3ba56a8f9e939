//! TensorBoard event files: framed protocol-buffer records of scalars.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes scalars TensorBoard can show.
#[derive(Debug)]
pub struct EventWriter(BufWriter<File>);

impl EventWriter {
    /// A new events file in `dir`; its name is one TensorBoard looks for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let named = |second: u64| File::create_new(dir.join(format!("events.out.tfevents.{second}.mosa")));
        let taken = |file: &io::Result<File>| matches!(file, Err(e) if e.kind() == io::ErrorKind::AlreadyExists);
        let file = (now..).map(named).find(|file| !taken(file)).unwrap_or_else(|| named(now))?;
        let mut this = Self(BufWriter::new(file));
        let mut event = wall_time();
        field(&mut event, 3, b"brain.Event:2");
        this.record(&event)?;
        Ok(this)
    }

    /// The values of one step.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn scalars<'a>(&mut self, step: usize, values: impl Iterator<Item = (&'a str, f64)>) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            field(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | 5); // simple_value, 32 bits
            entry.extend((value as f32).to_le_bytes());
            field(&mut summary, 1, &entry);
        }
        let mut event = wall_time();
        event.push(2 << 3); // step, varint
        varint(&mut event, step as u64);
        field(&mut event, 5, &summary);
        self.record(&event)
    }

    /// Length, its checksum, the event, its checksum.
    fn record(&mut self, event: &[u8]) -> io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        self.0.write_all(&length)?;
        self.0.write_all(&masked_crc(&length).to_le_bytes())?;
        self.0.write_all(event)?;
        self.0.write_all(&masked_crc(event).to_le_bytes())?;
        self.0.flush()
    }
}

fn wall_time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut event = vec![1 << 3 | 1]; // wall_time, 64 bits
    event.extend(now.to_le_bytes());
    event
}

/// A length-delimited field.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// CRC-32C, rotated and shifted as the record format asks.
fn masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        // Check value of CRC-32C for "123456789".
        let unmasked = masked_crc(b"123456789").wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked, 0xe306_9283);
    }
}
