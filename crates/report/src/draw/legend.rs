//! The legend: rows of swatches and names above the plot, where they hide nothing.

use super::ink::Ink;
use super::pen::{Anchor, Pen};
use super::{At, Drawn, WIDTH, words};

/// The width of a swatch.
pub(super) const SWATCH: i32 = 64;

const ROW: i32 = 40;
const LEFT: i32 = 40;
const RIGHT: i32 = WIDTH - 20;

/// Names with places for them and their swatches.
pub(super) struct Legend {
    entries: Vec<Entry>,
    rows: i32,
}

struct Entry {
    series: usize,
    name: String,
    at: At,
}

impl Legend {
    /// Lays the names out in rows; names that are empty are left out.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let (mut x, mut rows, mut entries) = (LEFT, 0, Vec::new());
        for (series, name) in names.enumerate().filter(|(_, name)| !name.is_empty()) {
            let name = words::fit(name, RIGHT - LEFT - SWATCH - 16);
            let wide = SWATCH + 16 + words::width(&name);
            if rows == 0 || x + wide > RIGHT {
                (x, rows) = (LEFT, rows + 1);
            }
            entries.push(Entry { series, name, at: (x, rows * ROW - ROW / 2) });
            x += wide + 36;
        }
        Self { entries, rows }
    }

    /// The room it takes at the top of the sheet.
    pub(super) fn height(&self) -> i32 {
        self.rows * ROW + 16
    }

    /// Draws it; `swatch` draws the sample of a series from its left end.
    pub(super) fn draw(&self, pen: &Pen<'_>, swatch: impl Fn(usize, At) -> Drawn) -> Drawn {
        self.entries.iter().try_for_each(|Entry { series, name, at: (x, y) }| {
            swatch(*series, (*x, *y))?;
            pen.text(name, (x + SWATCH + 12, *y), Anchor::Start, Ink::Text)
        })
    }
}
