//! Tables whose fields are set apart by commas, semicolons, tabs or bars (RFC 4180, read strictly where it matters: a
//! quote that is not closed, or a row with a field too many, is an error and not another table).

use crate::row::Flaw;
use crate::{Row, TableRow};
use serde_json::Value;

/// What may stand between fields; the first of equals wins.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A record and the line it begins in.
struct Record {
    line: usize,
    fields: Vec<String>,
}

/// The rows of a table, with the line each begins in; its first record names the columns.
pub(crate) fn rows(text: &str) -> Result<Vec<TableRow>, Flaw> {
    let Declared { text, first, separator } = declared(text);
    let form = Form::of(text, separator);
    let mut records = form.records(text, first)?.into_iter();
    let Some(Record { line, fields: names }) = records.next() else { return Ok(Vec::new()) };
    // Two columns of one name are a flaw of the header.
    Row::new(names.iter().map(|n| (n.clone(), Value::Null))).map_err(|what| Flaw { line, what })?;
    records.map(|record| form.row(&names, record, "the header")).collect()
}

/// The rows of a table without a header line: its columns are `names`, in that order.
pub(crate) fn bare_rows(text: &str, separator: u8, names: &[String]) -> Result<Vec<TableRow>, Flaw> {
    let form = Form { separator, blanks: false };
    form.records(text, 1)?.into_iter().map(|record| form.row(names, record, "of columns without a header")).collect()
}

/// The fields of the first record.
pub(crate) fn first_record(text: &str, separator: u8) -> Result<Vec<String>, Flaw> {
    let mut reader = Reader { form: Form { separator, blanks: false }, text, at: 0, line: 1 };
    reader.skip_empty_lines();
    Ok(reader.record()?.unwrap_or_default())
}

/// A text behind a line like `sep=;`, which some spreadsheets write first.
struct Declared<'a> {
    text: &'a str,
    /// The line it begins in.
    first: usize,
    separator: Option<u8>,
}

fn declared(text: &str) -> Declared<'_> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.trim_end_matches('\r').strip_prefix("sep=").map(str::as_bytes) {
        Some(&[separator]) => Declared { text: rest, first: 2, separator: Some(separator) },
        _ => Declared { text, first: 1, separator: None },
    }
}

/// How a table is written.
#[derive(Clone, Copy)]
struct Form {
    separator: u8,
    /// Names of columns are set apart with blanks (`id, prompt`), so blanks around fields are none of their text.
    blanks: bool,
}

impl Form {
    /// The separator that is named, or the one of the header; of several in the header, the one by which all records
    /// have as many fields.
    fn of(text: &str, named: Option<u8>) -> Self {
        let header = unquoted(text);
        let count = |s: u8| header.iter().filter(|b| **b == s).count();
        let mut found: Vec<u8> = SEPARATORS.into_iter().filter(|s| count(*s) > 0).collect();
        found.sort_by_key(|s| std::cmp::Reverse(count(*s)));
        let even = |s: &u8| {
            let form = Self::with(*s, text);
            form.records(text, 1).is_ok_and(|all| all.windows(2).all(|w| w[0].fields.len() == w[1].fields.len()))
        };
        let several = found.len() > 1;
        let best = found.iter().copied().find(|s| several && even(s)).or(found.first().copied());
        Self::with(named.or(best).unwrap_or(b','), text)
    }

    fn with(separator: u8, text: &str) -> Self {
        let close = Self { separator, blanks: false };
        let names = Reader { form: close, text, at: 0, line: 1 }.record().unwrap_or_default().unwrap_or_default();
        Self { separator, blanks: names.iter().any(|n| n.trim_matches(' ') != n) }
    }

    fn records(self, text: &str, first: usize) -> Result<Vec<Record>, Flaw> {
        let mut reader = Reader { form: self, text, at: 0, line: first };
        let mut records = Vec::new();
        loop {
            reader.skip_empty_lines();
            let line = reader.line;
            match reader.record()? {
                Some(fields) => records.push(Record { line, fields }),
                None => return Ok(records),
            }
        }
    }

    fn row(self, names: &[String], record: Record, expecting: &str) -> Result<TableRow, Flaw> {
        let Record { line, fields } = record;
        if fields.len() != names.len() {
            let (n, of) = (fields.len(), names.len());
            let what = format!(
                "the row has {n} {}, {expecting} {of} ({}); a text with {} in it must stand in quotes",
                if n == 1 { "field" } else { "fields" },
                names.iter().map(|n| n.trim()).collect::<Vec<_>>().join(", "),
                self.name()
            );
            return Err(Flaw { line, what });
        }
        let cells = names.iter().cloned().zip(fields.into_iter().map(Value::String));
        Ok(TableRow { line, row: Row::new(cells).map_err(|what| Flaw { line, what })? })
    }

    fn name(self) -> &'static str {
        match self.separator {
            b';' => "a semicolon",
            b'\t' => "a tab",
            b',' => "a comma",
            _ => "the separator",
        }
    }
}

/// The bytes of the first line with something in it that stand outside quotes.
fn unquoted(text: &str) -> Vec<u8> {
    let mut quoted = false;
    let mut bytes = Vec::new();
    for byte in text.trim_start().bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            b if !quoted => bytes.push(b),
            _ => {}
        }
    }
    bytes
}

/// A place in a table.
struct Reader<'a> {
    form: Form,
    text: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes one line end.
    fn end_line(&mut self) {
        if self.text[self.at..].starts_with("\r\n") {
            self.at += 1;
        }
        self.at += 1;
        self.line += 1;
    }

    /// Passes lines without anything but blanks.
    fn skip_empty_lines(&mut self) {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let blanks = rest.iter().take_while(|b| **b == b' ').count();
            match rest.get(blanks) {
                Some(b'\n' | b'\r') => {
                    self.at += blanks;
                    self.end_line();
                }
                None => {
                    self.at += blanks;
                    return;
                }
                Some(_) => return,
            }
        }
    }

    /// The fields up to the end of the record; none at the end of the text.
    fn record(&mut self) -> Result<Option<Vec<String>>, Flaw> {
        if self.peek().is_none() {
            return Ok(None);
        }
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            match self.peek() {
                Some(b) if b == self.form.separator => self.at += 1,
                Some(_) => {
                    self.end_line();
                    return Ok(Some(fields));
                }
                None => return Ok(Some(fields)),
            }
        }
    }

    fn field(&mut self) -> Result<String, Flaw> {
        let start = self.at;
        self.skip_blanks();
        if self.peek() == Some(b'"') {
            let text = self.quoted()?;
            self.skip_blanks();
            return Ok(text);
        }
        let end = |b: &u8| *b == self.form.separator || matches!(b, b'\n' | b'\r');
        let bytes = &self.text.as_bytes()[self.at..];
        self.at += bytes.iter().position(end).unwrap_or(bytes.len());
        let text = &self.text[start..self.at];
        Ok(if self.form.blanks { text.trim_matches(' ') } else { text }.to_owned())
    }

    fn skip_blanks(&mut self) {
        while self.form.blanks && self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// The text between quotes; a doubled quote is one of the text.
    fn quoted(&mut self) -> Result<String, Flaw> {
        let opened = self.line;
        let flaw = |what: String| Flaw { line: opened, what };
        let mut text = String::new();
        loop {
            self.at += 1;
            let rest = &self.text[self.at..];
            let Some(length) = rest.find('"') else {
                let what =
                    "a quote opens here that is never closed; close it, or double it (\"\") if it is part of the text";
                return Err(flaw(what.into()));
            };
            text += &rest[..length];
            self.line += lines(&rest[..length]);
            self.at += length + 1;
            if self.peek() != Some(b'"') {
                break;
            }
            text.push('"');
        }
        let closed = self.line;
        let rest = &self.text[self.at..];
        let rest = if self.form.blanks { rest.trim_start_matches(' ') } else { rest };
        match rest.bytes().next() {
            None | Some(b'\n' | b'\r') => Ok(text),
            Some(b) if b == self.form.separator => Ok(text),
            Some(_) => Err(flaw(format!(
                "a quote opens here, and behind the next one (line {closed}) the field goes on: a quote is not closed, or \
                 a quote of the text is not doubled (\"\")"
            ))),
        }
    }
}

/// Line ends in a text.
fn lines(text: &str) -> usize {
    let alone = |(i, _): &(usize, &str)| !text[..*i].ends_with('\r');
    text.matches('\r').count() + text.match_indices('\n').filter(alone).count()
}
