//! A row of a table: columns and values.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The columns of a row with their values, in the order of the file. Values of a delimited table are text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    cells: Vec<(String, Value)>,
}

/// A row and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The line of the file it begins in, from 1.
    pub line: usize,
    /// The row.
    pub row: Row,
}

/// What is wrong with a table, and the line.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Row {
    /// A row of these cells.
    ///
    /// # Errors
    /// A message if two columns bear the same name. Columns without a name may be several.
    pub fn new(cells: impl IntoIterator<Item = (String, Value)>) -> Result<Self, String> {
        let mut row = Self::default();
        cells.into_iter().try_for_each(|(name, value)| row.push(&name, value))?;
        Ok(row)
    }

    fn push(&mut self, name: &str, value: Value) -> Result<(), String> {
        let name = bare(name);
        if !name.is_empty() && self.exact(name).is_some() {
            return Err(format!("the column `{name}` is there twice; rename or remove one of the two"));
        }
        self.cells.push((name.to_owned(), value));
        Ok(())
    }

    /// The value in the column of that name. Case and surrounding blanks do not matter, unless there is a column that
    /// is written exactly so.
    ///
    /// # Errors
    /// A message if the name fits several columns.
    pub fn get(&self, name: &str) -> Result<Option<&Value>, String> {
        let name = bare(name);
        if let Some(value) = self.exact(name) {
            return Ok(Some(value));
        }
        let mut fitting = self.cells.iter().filter(|(n, _)| same(n, name));
        match (fitting.next(), fitting.next()) {
            (Some((a, _)), Some((b, _))) => {
                Err(format!("`{name}` may be the column `{a}` or `{b}`; name the one that is meant as it is written"))
            }
            (found, _) => Ok(found.map(|(_, value)| value)),
        }
    }

    /// Whether there is a column of that name, whatever its case.
    pub fn has(&self, name: &str) -> bool {
        self.cells.iter().any(|(n, _)| same(n, bare(name)))
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|(name, _)| name.as_str())
    }

    /// Names and values as an object. Columns without a name are left out.
    pub fn into_object(self) -> Map<String, Value> {
        self.cells.into_iter().filter(|(name, _)| !name.is_empty()).collect()
    }

    /// Names and values.
    pub(crate) fn cells(&self) -> &[(String, Value)] {
        &self.cells
    }

    fn exact(&self, name: &str) -> Option<&Value> {
        self.cells.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
}

/// A name without what surrounds it: blanks and byte order marks.
fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn same(a: &str, b: &str) -> bool {
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Columns)
    }
}

struct Columns;

impl<'de> Visitor<'de> for Columns {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with a value for every column, like {\"prompt\": \"...\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            row.push(&name, value).map_err(A::Error::custom)?;
        }
        Ok(row)
    }
}
