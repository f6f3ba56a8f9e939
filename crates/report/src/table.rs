//! A table, and its forms outside the page.

use crate::{Agreement, MAX_PARTS, Parts, number};

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
    /// A share between 0 and 1 with an interval, shown to one decimal of a percent as `69.8%, 67.3-72.2 (n = 1319)`; a
    /// dash if `n` is 0. For means of shares, and rates over many cases.
    Share {
        /// The share.
        value: f64,
        /// Its 95% interval, where there is one.
        interval: Option<(f64, f64)>,
        /// Over how many cases.
        n: usize,
    },
    /// A sample in parts, shown as the rate of its first part over a bar of all of them; a dash without cases.
    Parts(Parts),
    /// A verdict by its sign and words beside it, such as the numbers it follows from: `✓ +42, 31 to 52`. Lines of the
    /// words are lines of the cell.
    Verdict(Agreement, String),
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
            Self::Share { value, interval, n } => number::share(*value, *interval, *n),
            Self::Parts(parts) if parts.n() == 0 => number::DASH.into(),
            Self::Parts(parts) => format!("{}; {}", parts.shown(), parts.told()),
            Self::Verdict(verdict, words) => format!("{} {words}", verdict.sign()).trim_end().into(),
        }
    }

    /// The sample of a cell in parts.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        match self {
            Self::Parts(parts) => Some(parts),
            _ => None,
        }
    }

    /// Whether the cell is a quantity, which is set flush right.
    pub(crate) fn is_quantity(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Parts(_) | Self::Verdict(..))
    }
}

impl Table {
    /// The table for programs: comma-separated, numbers unrounded and empty where they are not finite. A column of
    /// rates becomes five: the share, and beside it `k`, `n` and the interval's `low` and `high`; a share has no
    /// `k`. A column of samples in parts has a sixth, which names the parts. Text that a spreadsheet would take for a
    /// formula has an apostrophe before it.
    pub fn csv(&self) -> String {
        let wide: Vec<usize> = (0..self.header.len()).map(|column| self.fields(column)).collect();
        let mut out = String::new();
        let names = self.header.iter().zip(&wide).flat_map(|(name, wide)| {
            let suffixes = ["", " k", " n", " low", " high", " parts"];
            suffixes.into_iter().take(*wide).map(move |suffix| csv_text(&format!("{name}{suffix}")))
        });
        csv_line(&mut out, names);
        for row in &self.rows {
            let cells = row.iter().enumerate();
            csv_line(&mut out, cells.flat_map(|(i, cell)| csv_fields(cell, wide.get(i).copied().unwrap_or(1))));
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
            if let Some(parts) = row.iter().filter_map(Cell::parts).find(|p| p.parts.len() > MAX_PARTS) {
                let n = parts.parts.len();
                return Some(format!("row {i} has a sample of {n} parts, {MAX_PARTS} can be told apart"));
            }
        }
        None
    }

    /// How many fields a column has in comma-separated form.
    fn fields(&self, column: usize) -> usize {
        let of = |cell: &Cell| match cell {
            Cell::Parts(_) => 6,
            Cell::Rate { .. } | Cell::Share { .. } => 5,
            Cell::Text(_) | Cell::Number(..) | Cell::Verdict(..) => 1,
        };
        self.rows.iter().filter_map(|row| row.get(column)).map(of).max().unwrap_or(1)
    }
}

/// The fields of one cell, as many as its column has.
fn csv_fields(cell: &Cell, wide: usize) -> Vec<String> {
    let plain = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
    let mut fields = match cell {
        Cell::Text(text) => vec![csv_text(text)],
        Cell::Number(value, _) => vec![plain(*value)],
        Cell::Rate { k, n: n @ 0 } => vec![String::new(), k.to_string(), n.to_string()],
        Cell::Rate { k, n } => {
            let (low, high) = mosa_core::wilson(*k, *n);
            vec![plain(*k as f64 / *n as f64), k.to_string(), n.to_string(), plain(low), plain(high)]
        }
        Cell::Share { n: n @ 0, .. } => vec![String::new(), String::new(), n.to_string()],
        Cell::Share { value, interval, n } => {
            let (low, high) = interval.unwrap_or((f64::NAN, f64::NAN));
            vec![plain(*value), String::new(), n.to_string(), plain(low), plain(high)]
        }
        Cell::Parts(parts) => {
            let (k, n) = (parts.k(), parts.n());
            let (low, high) = parts.rate().map_or((f64::NAN, f64::NAN), |rate| rate.wilson());
            let share = parts.rate().map_or(f64::NAN, |rate| rate.value);
            let mut fields = vec![plain(share), k.to_string(), n.to_string(), plain(low), plain(high)];
            fields.push(csv_text(&parts.told()));
            fields
        }
        Cell::Verdict(..) => vec![csv_text(&cell.shown().replace('\n', " "))],
    };
    fields.resize(wide, String::new());
    fields
}

/// Text that no spreadsheet takes for a formula: one that begins like it, perhaps behind blanks or quotes, gets an
/// apostrophe before it. What is a plain number or a sign alone stays as it is.
fn csv_text(text: &str) -> String {
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '"');
    // The wide forms are the same to spreadsheets in East Asian settings.
    let formula = start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let odd = text.starts_with(|c: char| c.is_control());
    if (formula && !is_number(text)) || odd { format!("'{text}") } else { text.to_owned() }
}

/// Whether a text is nothing but a sign, digits with a point, and a percent sign; each may be absent.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = digits.strip_suffix('%').unwrap_or(digits);
    digits.chars().all(|c| c.is_ascii_digit() || c == '.') && digits.matches('.').count() < 2
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

/// Text that stays in its cell and is nothing but text: no line breaks, pipes, HTML, emphasis, code, formulas, links or
/// images, nor an address that a viewer makes a link of.
fn markdown_text(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '!' | '~' | '$' => out.extend(['\\', c]),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    without_addresses(&out)
}

/// Breaks what a viewer would make a link of: `://`, `www.` and what stands around the at of a mail address.
fn without_addresses(line: &str) -> String {
    let mut out = line.replace("://", ":\\//").replace('@', "&#64;");
    for at in www(&out).into_iter().rev() {
        out.insert(at, '\\');
    }
    out
}

/// The places of the points behind `www`, in either case.
fn www(line: &str) -> Vec<usize> {
    line.to_ascii_lowercase().match_indices("www.").map(|(at, _)| at + 3).collect()
}
