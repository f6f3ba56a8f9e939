//! The rows of a table in a text file: JSON lines, a JSON array, or a table with commas, semicolons or tabs.

use crate::row::Flaw;
use crate::{Columns, TableRow, TextError, delimited, files, json_rows};
use std::path::Path;

/// The text of a file's bytes, without a byte order mark.
///
/// # Errors
/// [`TextError::Malformed`] with the line that is not UTF-8.
pub fn text_of_bytes<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, TextError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(files::malformed(path, "not UTF-8 but UTF-16; save the file as UTF-8"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}')),
        Err(e) => {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Err(files::malformed(path, format!("line {line}: not UTF-8 (Latin-1?); save the file as UTF-8")))
        }
    }
}

/// The rows of `text`, the content of the file `path`, with the line each begins in. The file's name says whether it is
/// a table (.csv, .tsv) or JSON (.jsonl, .ndjson, .json); which separator a table has, and whether JSON is an array, a
/// value after the other or an object around the rows, is seen from the content. `columns` may name the prompt's
/// column, by which a single row is told from an object around rows.
///
/// # Errors
/// [`TextError::Malformed`] with the line if the kind of file is unknown or a row cannot be read.
pub fn parse_rows(path: &Path, text: &str, columns: &Columns) -> Result<Vec<TableRow>, TextError> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "tsv") => delimited::rows(text),
        Some("jsonl" | "ndjson") => json_rows::rows(text, columns, true),
        Some("json") => json_rows::rows(text, columns, false),
        _ => {
            let what = "unknown kind of file: a prompt file ends in .jsonl, .ndjson, .json, .csv or .tsv";
            return Err(files::malformed(path, what));
        }
    };
    rows.map_err(|flaw| files::malformed(path, format!("line {}: {}", flaw.line, flaw.what)))
}

/// The same, where a delimited table may come without a header line: if `is_header` says of its first fields that they are
/// no names, its columns are `names`. Such a table is separated by commas, or by tabs if it ends in .tsv.
///
/// # Errors
/// [`TextError::Malformed`] as for [`parse_rows`], and if a row has more or fewer fields than there are names.
pub fn parse_headless_rows(
    path: &Path,
    text: &str,
    names: &[String],
    is_header: impl Fn(&[String]) -> bool,
) -> Result<Vec<TableRow>, TextError> {
    let at = |flaw: Flaw| files::malformed(path, format!("line {}: {}", flaw.line, flaw.what));
    let separator = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => b',',
        Some("tsv") => b'\t',
        _ => return parse_rows(path, text, &Columns::default()),
    };
    let text = text.trim_start_matches('\u{feff}');
    if is_header(&delimited::first_record(text, separator).map_err(at)?) {
        return parse_rows(path, text, &Columns::default());
    }
    delimited::bare_rows(text, separator, names).map_err(at)
}
