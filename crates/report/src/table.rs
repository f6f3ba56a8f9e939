//! A table, and its forms outside the page.

use crate::number;

/// Rows under a header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What the table shows; numbered by the report.
    pub caption: String,
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows; each has as many cells as the header.
    pub rows: Vec<Vec<Cell>>,
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number and the decimals it is shown with; a dash if it is not finite.
    Number(f64, usize),
    /// A rate, shown with its Wilson 95% interval as `62% (48/78), 51-72`; a dash if `n` is 0.
    Rate {
        /// How often it happened.
        k: usize,
        /// Out of how many.
        n: usize,
    },
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cell {
    /// What the reader sees.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, decimals) => number::fixed(*value, *decimals),
            Self::Rate { k, n } => number::rate(*k, *n),
        }
    }

    /// Whether the cell is a quantity, which is set flush right.
    pub(crate) fn is_quantity(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

impl Table {
    /// The table for programs: comma-separated, numbers unrounded and empty where they are not finite. A column of
    /// rates becomes five: the share, and beside it `k`, `n` and the interval's `low` and `high`.
    pub fn csv(&self) -> String {
        let wide: Vec<bool> = (0..self.header.len()).map(|column| self.has_rates(column)).collect();
        let mut out = String::new();
        let names = self.header.iter().zip(&wide).flat_map(|(name, wide)| match wide {
            true => ["", " k", " n", " low", " high"].map(|suffix| format!("{name}{suffix}")).to_vec(),
            false => vec![name.clone()],
        });
        csv_line(&mut out, names);
        for row in &self.rows {
            let cells = row.iter().enumerate();
            csv_line(&mut out, cells.flat_map(|(i, cell)| csv_fields(cell, wide.get(i) == Some(&true))));
        }
        out
    }

    /// The table in Markdown, as the page shows it; the caption is left to the caller.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        markdown_line(&mut out, self.header.iter().map(|name| markdown_text(name)));
        let rules = (0..self.header.len()).map(|column| if self.is_quantity(column) { "---:" } else { "---" });
        markdown_line(&mut out, rules.map(String::from));
        for row in &self.rows {
            markdown_line(&mut out, row.iter().map(|cell| markdown_text(&cell.shown())));
        }
        out
    }

    /// Whether all of a column's cells are quantities.
    pub(crate) fn is_quantity(&self, column: usize) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.get(column).is_some_and(Cell::is_quantity))
    }

    /// What does not fit together, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        for (i, row) in self.rows.iter().enumerate() {
            if row.len() != self.header.len() {
                return Some(format!("row {i} has {} cells, the header has {}", row.len(), self.header.len()));
            }
            if let Some(Cell::Rate { k, n }) = row.iter().find(|c| matches!(c, Cell::Rate { k, n } if k > n)) {
                return Some(format!("row {i} has a rate of {k} in {n}; it cannot be above {n}"));
            }
        }
        None
    }

    fn has_rates(&self, column: usize) -> bool {
        self.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Rate { .. })))
    }
}

/// The fields of one cell: five in a `wide` column, one elsewhere.
fn csv_fields(cell: &Cell, wide: bool) -> Vec<String> {
    let plain = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
    let mut fields = match cell {
        Cell::Text(text) => vec![text.clone()],
        Cell::Number(value, _) => vec![plain(*value)],
        Cell::Rate { k, n: n @ 0 } => vec![String::new(), k.to_string(), n.to_string()],
        Cell::Rate { k, n } => {
            let (low, high) = mosa_core::wilson(*k, *n);
            vec![plain(*k as f64 / *n as f64), k.to_string(), n.to_string(), plain(low), plain(high)]
        }
    };
    fields.resize(if wide { 5 } else { 1 }, String::new());
    fields
}

fn csv_line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            out.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            out.push_str(&field);
        }
    }
    out.push('\n');
}

fn markdown_line(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('|');
    for cell in cells {
        out.push_str(&format!(" {cell} |"));
    }
    out.push('\n');
}

/// Text that stays in its cell: no line breaks, no pipes, no HTML.
fn markdown_text(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('\\', "\\\\").replace('|', "\\|").replace('&', "&amp;").replace('<', "&lt;")
}
