//! stdout is data, stderr is talk. A terminal gets no character that it would obey.

use crate::shown::{json_shown, on_one_line, shown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// Characters of the message behind a progress bar.
const MESSAGE: usize = 60;
/// Characters of a table's cell, and of one with nothing behind it.
const CELL: usize = 100;
const LAST_CELL: usize = 400;

/// What is drawn on stderr at the moment.
static DRAWN: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// A line for people, above what is drawn on stderr.
pub(crate) fn say(text: &str) {
    let write = || {
        let _ = writeln!(io::stderr().lock(), "{}", shown(text));
    };
    match drawn() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Takes what is drawn on stderr away.
pub(crate) fn clear() {
    if let Some(bar) = drawn() {
        bar.finish_and_clear();
    }
}

fn drawn() -> Option<ProgressBar> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
}

/// A progress bar on stderr.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// One that is drawn as `style` says; without a length it shows its message alone.
    pub(crate) fn new(quiet: bool, length: Option<usize>, style: &str) -> anyhow::Result<Self> {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(length.map(|n| n as u64), target);
        bar.set_style(ProgressStyle::with_template(style)?.progress_chars("█▌ "));
        if !bar.is_hidden() {
            *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
        }
        Ok(Self(bar))
    }

    pub(crate) fn with_position(self, done: u64) -> Self {
        self.0.set_position(done);
        self
    }

    pub(crate) fn set_position(&self, done: u64) {
        self.0.set_position(done);
    }

    pub(crate) fn reset_eta(&self) {
        self.0.reset_eta();
    }

    pub(crate) fn inc(&self, more: u64) {
        self.0.inc(more);
    }

    pub(crate) fn tick(&self) {
        self.0.tick();
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// A short message behind the bar, on its line.
    pub(crate) fn set_message(&self, text: impl AsRef<str>) {
        self.0.set_message(on_one_line(text.as_ref(), MESSAGE));
    }

    /// A text of several lines in the place of the bar.
    pub(crate) fn set_text(&self, text: &str) {
        self.0.set_message(shown(text).into_owned());
    }

    /// Writes to stdout with the drawing taken off the terminal, if both are one.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        if io::stdout().is_terminal() { self.0.suspend(write) } else { write() }
    }

    pub(crate) fn finish_and_clear(&self) {
        self.0.finish_and_clear();
    }
}

/// A progress bar on stderr with a message behind it.
pub(crate) fn bar(quiet: bool, length: usize) -> anyhow::Result<Bar> {
    Bar::new(quiet, Some(length), "{bar:20} {pos}/{len} {elapsed}<{eta}  {msg}")
}

/// A line of data, flushed at once. A closed pipe ends the output, not the program.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        writeln!(out, "{}", shown(text))?;
    } else {
        writeln!(out, "{text}")?;
    }
    out.flush()
}

/// One JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)?;
    // A terminal's escapes would not be JSON's.
    Ok(if io::stdout().is_terminal() { line(&json_shown(&text)) } else { line(&text) }?)
}

/// Rows as a table with aligned columns; the first row is the header. A table is for people: what is too long for its cell
/// is cut.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let cells = |row: &Vec<String>| -> Vec<String> {
        let most = |i: usize| if i + 1 == row.len() { LAST_CELL } else { CELL };
        row.iter().enumerate().map(|(i, cell)| on_one_line(cell, most(i))).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let render = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(render).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::table;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|c| (*c).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(table(&rows(&[&["id", "n"], &["long", "1"]])), "id    n\nlong  1");
    }

    #[test]
    fn a_cell_of_any_length_and_any_characters_stays_in_its_column() {
        let long = "x".repeat(5000);
        let drawn = table(&rows(&[&["id", "n"], &["a\nb\u{1b}[2J", "1"], &[&long, "2"]]));
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].trim_end_matches('1').trim_end(), "a\\nb\\u{1b}[2J");
        assert_eq!(lines[2], format!("{}…  2", "x".repeat(99)));
        let at = |line: &str| line.chars().count() - 1;
        assert_eq!([at(lines[0]), at(lines[1])], [at(lines[2]); 2]);
    }
}
