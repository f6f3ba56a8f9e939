//! The rows of a table in a text file: JSONL, a JSON array, or CSV.

use crate::{TextError, files};
use serde_json::{Map, Value};
use std::path::Path;

/// A row: column names and values in the order of the file. CSV values are text.
pub type Row = Map<String, Value>;

/// The rows of `text`, the content of the file `path`, with the line each starts in (for a JSON array: its index from
/// 1). The file's name says what it is: .jsonl, .ndjson, .json or .csv.
///
/// # Errors
/// [`TextError::Malformed`] if the kind of file is unknown or a row cannot be read.
pub fn parse_rows(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TextError> {
    let text = text.trim_start_matches('\u{feff}');
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => csv_rows(path, text),
        Some("jsonl" | "ndjson") => jsonl_rows(path, text),
        Some("json") => json_rows(path, text),
        _ => Err(files::malformed(path, "unknown kind of file: a prompt file ends in .jsonl, .json or .csv")),
    }
}

fn jsonl_rows(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TextError> {
    let mut rows = Vec::new();
    for (line, content) in (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty()) {
        let row = serde_json::from_str(content)
            .map_err(|e| files::malformed(path, format!("line {line}: not a JSON object: {e}")))?;
        rows.push((line, row));
    }
    Ok(rows)
}

fn json_rows(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TextError> {
    let rows: Vec<Row> =
        serde_json::from_str(text).map_err(|e| files::malformed(path, format!("not a JSON array of objects: {e}")))?;
    Ok((1..).zip(rows).collect())
}

fn csv_rows(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TextError> {
    let bad = |e: csv::Error| files::malformed(path, e);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().map_err(bad)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let row = names.iter().map(str::to_owned).zip(record.iter().map(|v| Value::String(v.to_owned()))).collect();
        rows.push((line, row));
    }
    Ok(rows)
}
