//! Rows in JSON: an array of objects, objects one after the other, or an object around a list of them.

use crate::prompts::is_row;
use crate::row::Flaw;
use crate::{Columns, Row, TableRow};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Deserializer, Value};

/// What lists of rows are called where an object holds several.
const LISTS: [&str; 11] = [
    "data",
    "rows",
    "examples",
    "instances",
    "items",
    "records",
    "prompts",
    "behaviors",
    "behaviours",
    "questions",
    "dataset",
];

/// The rows of a JSON text, with the line each begins in. `by_line`: the file's name says that a line is a row.
pub(crate) fn rows(text: &str, columns: &Columns, by_line: bool) -> Result<Vec<TableRow>, Flaw> {
    let mut scan = Scan { text, at: 0, line: 1 };
    scan.skip_blanks();
    match scan.peek() {
        Some(b'[') => {
            let rows = array(&mut scan)?;
            scan.skip_blanks();
            match scan.peek() {
                None => Ok(rows.into_iter().map(unwrapped).collect()),
                Some(_) => {
                    Err(scan.flaw("text behind the end of the JSON array; keep one array, or one object a line"))
                }
            }
        }
        None => Ok(Vec::new()),
        Some(_) => objects(&scan, columns, by_line),
    }
}

/// Objects, one a line or over several lines each.
fn objects(start: &Scan<'_>, columns: &Columns, by_line: bool) -> Result<Vec<TableRow>, Flaw> {
    let (mut rows, line_flaw) = lines(start.text);
    if let Some(flaw) = line_flaw {
        let by_line = by_line || !rows.is_empty();
        rows = stream(start.clone()).map_err(|other| if by_line { flaw } else { other })?;
    }
    match rows.as_slice() {
        [only] if !is_row(&only.row, columns) => within(start.clone(), &only.row).unwrap_or(Ok(rows)),
        _ => Ok(rows),
    }
}

/// The objects of all lines up to the first that is none.
fn lines(text: &str) -> (Vec<TableRow>, Option<Flaw>) {
    let mut rows = Vec::new();
    for (line, content) in (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str(content) {
            Ok(row) => rows.push(TableRow { line, row }),
            Err(e) => return (rows, Some(Flaw { line, what: format!("not a JSON object: {}", said(&e)) })),
        }
    }
    (rows, None)
}

fn stream(mut scan: Scan<'_>) -> Result<Vec<TableRow>, Flaw> {
    let mut rows = Vec::new();
    loop {
        scan.skip_blanks();
        if scan.peek().is_none() {
            return Ok(rows);
        }
        let line = scan.line;
        rows.push(TableRow { line, row: scan.value("a JSON object")? });
    }
}

/// The rows of the list in an object that is no row itself; none if it holds no list.
fn within(mut scan: Scan<'_>, object: &Row) -> Option<Result<Vec<TableRow>, Flaw>> {
    let is_list = |v: &Value| v.as_array().is_some_and(|l| !l.is_empty() && l.iter().all(Value::is_object));
    let lists: Vec<&str> = object.cells().iter().filter(|(_, v)| is_list(v)).map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = lists.iter().copied().filter(|n| LISTS.contains(&n.to_lowercase().as_str())).collect();
    let wanted = match (lists.as_slice(), known.as_slice()) {
        ([], _) if object.cells().is_empty() => {
            return Some(Err(scan.flaw("an empty object; give a JSON array of rows, or one object a line")));
        }
        ([], _) => return None,
        ([only], _) | (_, [only]) => *only,
        (several, _) => {
            let what = format!(
                "an object with several lists ({}), any of which may be the rows; give one of them as a JSON array",
                several.join(", ")
            );
            return Some(Err(scan.flaw(&what)));
        }
    };
    Some(scan.list_at(wanted).map(|rows| rows.into_iter().map(unwrapped).collect()))
}

/// A row as a hub's viewer wraps it: `{"row_idx": 0, "row": {...}}`.
fn unwrapped(TableRow { line, row }: TableRow) -> TableRow {
    let wrapped = match (row.get("row_idx"), row.get("row")) {
        (Ok(Some(_)), Ok(Some(Value::Object(inner)))) => Row::new(inner.clone()).ok(),
        _ => None,
    };
    TableRow { line, row: wrapped.unwrap_or(row) }
}

fn array(scan: &mut Scan<'_>) -> Result<Vec<TableRow>, Flaw> {
    scan.at += 1;
    let mut rows = Vec::new();
    scan.skip_blanks();
    if scan.eat(b']') {
        return Ok(rows);
    }
    loop {
        scan.skip_blanks();
        let line = scan.line;
        rows.push(TableRow { line, row: scan.value("a JSON object")? });
        scan.skip_blanks();
        if scan.eat(b']') {
            return Ok(rows);
        }
        if !scan.eat(b',') {
            return Err(scan.flaw("a comma or the end of the JSON array is missing"));
        }
    }
}

/// A message of the parser without its place, which counts from the value's beginning.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// A place in a JSON text.
#[derive(Clone)]
struct Scan<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn flaw(&self, what: &str) -> Flaw {
        Flaw { line: self.line, what: what.to_owned() }
    }

    fn go_to(&mut self, at: usize) {
        self.line += self.text[self.at..at].matches('\n').count();
        self.at = at;
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.go_to(self.text.len() - rest.trim_start().len());
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// The value that begins here.
    fn value<T: DeserializeOwned>(&mut self, kind: &str) -> Result<T, Flaw> {
        let mut values = Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => {
                let end = self.at + values.byte_offset();
                self.go_to(end);
                Ok(value)
            }
            Some(Err(e)) => {
                let line = self.line + e.line().saturating_sub(1);
                Err(Flaw { line, what: format!("not {kind}: {}", said(&e)) })
            }
            None => Err(self.flaw(&format!("{kind} is missing"))),
        }
    }

    /// The rows of the list that stands under `name` in the object that begins here.
    fn list_at(&mut self, name: &str) -> Result<Vec<TableRow>, Flaw> {
        self.at += 1;
        loop {
            self.skip_blanks();
            let key: String = self.value("a key")?;
            self.skip_blanks();
            self.eat(b':');
            self.skip_blanks();
            if key.trim() == name {
                return array(self);
            }
            self.value::<IgnoredAny>("a value")?;
            self.skip_blanks();
            if !self.eat(b',') {
                return Err(self.flaw(&format!("`{name}` is missing")));
            }
        }
    }
}
