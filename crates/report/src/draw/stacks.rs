//! Lying bars that add up to 100%.

use super::ink::Ink;
use super::legend::{Legend, SWATCH};
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, RIGHT, Side};
use super::{At, Drawn, WIDTH, mark, words};
use crate::{Axis, number};

/// The room of one bar along the groups.
const ROW: i32 = 76;

/// Half a bar, as a share of its room.
const HALF: f64 = 0.36;

/// The room for the size of a sample right of its bar.
const SIZE: i32 = 130;

/// A figure of stacks.
pub(super) struct Stacks<'a> {
    pub(super) grades: bool,
    pub(super) axis: &'a Axis,
    pub(super) groups: &'a [String],
    pub(super) parts: &'a [String],
    pub(super) counts: &'a [Vec<usize>],
    pub(super) cut: Option<usize>,
}

impl Stacks<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let legend = Legend::new(self.parts.iter().map(String::as_str));
        let top = legend.height();
        let rows = self.groups.len().max(1);
        let longest = self.groups.iter().map(|name| words::width(name)).max().unwrap_or(0);
        let room = (longest + 30).clamp(LEFT, WIDTH / 2);
        sheet(top + rows as i32 * ROW + BELOW, |pen| {
            legend.draw(pen, |i, (x, y)| {
                self.fill(pen, i, ((x, y - 13), (x + SWATCH, y + 13)))?;
                pen.thin_outline((x, y - 13), (x + SWATCH, y + 13))
            })?;
            // The size of each sample stands right of 100%.
            let end = 100.0 * (1.0 + f64::from(SIZE) / f64::from(WIDTH - RIGHT - room - SIZE));
            let x = Side { label: &self.axis.label, span: (0.0, end), ticks: 10, room: BELOW, grid: false };
            let y = Side { label: "", span: (-0.5, rows as f64 - 0.5), ticks: 0, room, grid: false };
            let plot = Plot::new(pen, top, &x, &y)?;
            if self.counts.iter().flatten().all(|k| *k == 0) {
                plot.say_empty(pen)?;
            }
            for (i, name) in self.groups.iter().enumerate() {
                let row = (rows - 1 - i) as f64;
                let middle = plot.at(0.0, row).1;
                pen.text(&words::fit(name, room - 20), (room - 14, middle), Anchor::End, Ink::Text)?;
                self.bar(pen, &plot, row, &self.counts[i])?;
            }
            Ok(())
        })
    }

    fn bar(&self, pen: &Pen<'_>, plot: &Plot<'_>, row: f64, counts: &[usize]) -> Drawn {
        let n: usize = counts.iter().sum();
        let size = plot.at(100.0, row);
        pen.text(&format!("n = {n}"), (size.0 + 14, size.1), Anchor::Start, Ink::Text)?;
        if n == 0 {
            let at = plot.at(0.0, row);
            return pen.text(number::DASH, (at.0 + 16, at.1), Anchor::Middle, Ink::Text);
        }
        let share = |k: usize| 100.0 * k as f64 / n as f64;
        let mut before = 0;
        for (i, k) in counts.iter().enumerate().filter(|(_, k)| **k > 0) {
            let (a, b) = (plot.at(share(before), row - HALF), plot.at(share(before + k), row + HALF));
            before += k;
            self.fill(pen, i, (a, b))?;
            pen.thin_outline(a, b)?;
            let text = number::fixed(share(*k), 0);
            if words::width(&text) + 8 <= b.0 - a.0 {
                self.number(pen, i, &text, ((a.0 + b.0) / 2, (a.1 + b.1) / 2))?;
            }
        }
        let Some(cut) = self.cut else { return Ok(()) };
        let k = counts.iter().take(cut).sum();
        let (low, high) = mosa_core::wilson(k, n);
        // Along the lower edge, where it hides no number.
        let ends = [low, high].map(|share| plot.at(100.0 * share, row - HALF));
        mark::interval(pen, ends[0], ends[1], Ink::Paper, 9)?;
        mark::interval(pen, ends[0], ends[1], Ink::Text, 4)
    }

    fn fill(&self, pen: &Pen<'_>, part: usize, (a, b): (At, At)) -> Drawn {
        match self.grades {
            true => pen.block(a, b, Ink::Heat, self.strength(part)),
            false => pen.block(a, b, Ink::Part(part), 1.0),
        }
    }

    /// A number on a part, on a strip of paper where the part is hatched.
    fn number(&self, pen: &Pen<'_>, part: usize, text: &str, (x, y): At) -> Drawn {
        let dark = if self.grades { self.strength(part) > 0.55 } else { part == 0 };
        if !self.grades && !dark {
            let half = words::width(text) / 2 + 3;
            pen.block((x - half, y - 14), (x + half, y + 14), Ink::Paper, 0.8)?;
        }
        pen.text(text, (x, y), Anchor::Middle, if dark { Ink::Paper } else { Ink::Text })
    }

    /// How strong the ink of a part is: from weak to strong in the order of the parts.
    fn strength(&self, part: usize) -> f64 {
        let share = part as f64 / (self.parts.len().max(2) - 1) as f64;
        (100.0 * (0.06 + 0.9 * share)).round() / 100.0
    }
}
