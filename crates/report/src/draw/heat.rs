//! A map of values.

use super::ink::Ink;
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, Side};
use super::span::drawable;
use super::{At, Drawn, WIDTH, span, words};
use crate::{Axis, number};

/// The room of the scale above the map.
const SCALE: i32 = 70;

/// The width of the scale's bar.
const BAR: i32 = 320;

/// The steps the scale's bar is drawn in.
const STEPS: i32 = 40;

/// A map with at most this many cells prints their values.
const MOST_VALUES: usize = 120;

/// A figure of a map.
pub(super) struct Heat<'a> {
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    pub(super) scale: &'a Axis,
    pub(super) values: &'a [Vec<f64>],
}

impl Heat<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let (rows, columns) = (self.values.len(), self.values.first().map_or(0, Vec::len));
        let height = (rows as i32 * 56).clamp(240, 720);
        sheet(SCALE + height + BELOW, |pen| {
            let scale = span::of(self.scale, self.values.iter().flatten().copied(), 0.0);
            self.draw_scale(pen, scale)?;
            let x = side(self.x, columns, BELOW);
            let y = side(self.y, rows, LEFT);
            let plot = Plot::new(pen, SCALE, &x, &y)?;
            if rows * columns == 0 {
                return plot.say_empty(pen);
            }
            let edge =
                |side: &Side<'_>, i: usize, n: usize| side.span.0 + (side.span.1 - side.span.0) * i as f64 / n as f64;
            for (r, row) in self.values.iter().enumerate() {
                for (c, value) in row.iter().enumerate() {
                    let lower = plot.at(edge(&x, c, columns), edge(&y, r, rows));
                    let upper = plot.at(edge(&x, c + 1, columns), edge(&y, r + 1, rows));
                    let tile = Tile { lower, upper, scale, printed: self.prints(columns) };
                    tile.draw(pen, *value)?;
                }
            }
            Ok(())
        })
    }

    fn prints(&self, columns: usize) -> bool {
        columns <= 14 && columns * self.values.len() <= MOST_VALUES
    }

    /// The scale: its ends beside a bar from weak to strong, and what it measures.
    fn draw_scale(&self, pen: &Pen<'_>, (low, high): (f64, f64)) -> Drawn {
        let text = |value| number::tick(value, high - low);
        let start = LEFT + words::width(&text(low)) + 12;
        let middle = 28;
        pen.text(&text(low), (start - 12, middle), Anchor::End, Ink::Text)?;
        for i in 0..STEPS {
            let place = |i: i32| start + BAR * i / STEPS;
            let share = f64::from(i) / f64::from(STEPS - 1);
            pen.block((place(i), middle - 15), (place(i + 1), middle + 15), Ink::Heat, strength(share))?;
        }
        let end = start + BAR + 12;
        pen.text(&text(high), (end, middle), Anchor::Start, Ink::Text)?;
        let label = end + words::width(&text(high)) + 30;
        pen.text(&words::fit(&self.scale.label, WIDTH - 20 - label), (label, middle), Anchor::Start, Ink::Text)
    }
}

/// One cell of a map.
struct Tile {
    lower: At,
    upper: At,
    scale: (f64, f64),
    /// Whether the value is printed in it.
    printed: bool,
}

impl Tile {
    fn draw(&self, pen: &Pen<'_>, value: f64) -> Drawn {
        let middle = ((self.lower.0 + self.upper.0) / 2, (self.lower.1 + self.upper.1) / 2);
        if !drawable(value) {
            let half = ((self.upper.0 - self.lower.0) / 3).min(8);
            return pen.line(vec![(middle.0 - half, middle.1), (middle.0 + half, middle.1)], Ink::Text, 2);
        }
        let strength = strength((value - self.scale.0) / (self.scale.1 - self.scale.0));
        pen.block(self.lower, self.upper, Ink::Heat, strength)?;
        if !self.printed {
            return Ok(());
        }
        let ink = if strength > 0.55 { Ink::Paper } else { Ink::Text };
        pen.text(&number::tick(value, self.scale.1 - self.scale.0), middle, Anchor::Middle, ink)
    }
}

/// A side of the map: the range of its outer edges, or cells counted from 0.
fn side(axis: &Axis, cells: usize, room: i32) -> Side<'_> {
    let (span, ticks) = match span::wanted(axis).filter(|(low, high)| low < high) {
        Some(range) => (range, 12),
        None => ((-0.5, cells.max(1) as f64 - 0.5), cells.clamp(1, 12)),
    };
    Side { label: &axis.label, span, ticks, room, grid: false }
}

/// How strong the ink is for a share of the scale; two digits keep large maps short.
fn strength(share: f64) -> f64 {
    (100.0 * (0.04 + 0.96 * share)).round() / 100.0
}
