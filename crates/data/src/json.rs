//! JSON files as Python's `json.dump(..., indent=4)` writes them, which is what the other projects do.

use crate::DataError;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::io::{self, Write};
use std::path::Path;

/// Writes a text that one of the `to_*` functions made; a reader never sees half of it.
///
/// # Errors
/// [`DataError::File`] if it cannot be written.
pub fn save(path: &Path, text: &str) -> Result<(), DataError> {
    mosa_records::write_whole(path, text.as_bytes()).map_err(|e| DataError::file(path, e))
}

/// Reads a file with one of the `from_*` functions; errors name the file.
///
/// # Errors
/// [`DataError`] if the file cannot be read or `from` refuses its text.
pub fn load<T>(path: &Path, from: impl FnOnce(&str) -> Result<T, DataError>) -> Result<T, DataError> {
    let bytes = std::fs::read(path).map_err(|e| DataError::file(path, e))?;
    from(mosa_text::text_of_bytes(path, &bytes)?).map_err(|e| match e {
        DataError::Format { .. } => DataError::malformed(path, e),
        other => other,
    })
}

/// JSON with an indent of 4, everything beyond printable ASCII escaped, no final newline.
pub(crate) fn dump(format: &'static str, value: &impl Serialize) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, Python(PrettyFormatter::with_indent(b"    ")));
    value.serialize(&mut serializer).map_err(|e| DataError::format(format, e))?;
    String::from_utf8(bytes).map_err(|e| DataError::format(format, e))
}

/// The first of some names.
pub(crate) fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
}

struct Python(PrettyFormatter<'static>);

impl Formatter for Python {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for c in fragment.chars() {
            match c {
                ' '..='~' => writer.write_all(&[c as u8])?,
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
