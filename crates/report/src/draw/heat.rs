//! A map of values.

use super::curve::{Curve, shown, swatch};
use super::ink::Ink;
use super::legend::Legend;
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, Side};
use super::span::drawable;
use super::{At, Drawn, WIDTH, span, words};
use crate::{Axis, Point, Series, number};

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
    pub(super) lines: &'a [Series],
}

impl Heat<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let (rows, columns) = (self.values.len(), self.values.first().map_or(0, Vec::len));
        let height = (rows as i32 * 56).clamp(240, 720);
        let legend = Legend::new(self.lines.iter().map(|s| s.name.as_str()));
        let head = if self.lines.is_empty() { 0 } else { legend.height() };
        sheet(head + SCALE + height + BELOW, |pen| {
            legend.draw(pen, |i, at| swatch(pen, i, at, self.lines[i].marks))?;
            let scale = span::of(self.scale, self.values.iter().flatten().copied(), 0.0);
            self.draw_scale(pen, head + 28, scale)?;
            let x = side(self.x, columns, BELOW);
            let y = side(self.y, rows, LEFT);
            let plot = Plot::new(pen, head + SCALE, &x, &y)?;
            if rows * columns == 0 {
                return plot.say_empty(pen);
            }
            let tiles = Tiles { plot: &plot, rows, x: x.span, y: y.span, scale, printed: self.prints(columns) };
            self.values.iter().enumerate().try_for_each(|(r, row)| tiles.row(pen, r, row))?;
            let inside = |p: &Point| within(p.x, x.span) && within(p.y, y.span);
            self.lines.iter().enumerate().try_for_each(|(i, series)| over(pen, &plot, i, &kept(series, inside)))
        })
    }

    fn prints(&self, columns: usize) -> bool {
        columns <= 14 && columns * self.values.len() <= MOST_VALUES
    }

    /// The scale: its ends beside a bar from weak to strong, and what it measures.
    fn draw_scale(&self, pen: &Pen<'_>, middle: i32, (low, high): (f64, f64)) -> Drawn {
        let text = |value| number::tick(value, high - low);
        let start = LEFT + words::width(&text(low)) + 12;
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

/// The cells of a map.
struct Tiles<'a, 'p> {
    plot: &'a Plot<'p>,
    rows: usize,
    /// The outer edges.
    x: (f64, f64),
    y: (f64, f64),
    scale: (f64, f64),
    /// Whether values are printed in them.
    printed: bool,
}

impl Tiles<'_, '_> {
    fn row(&self, pen: &Pen<'_>, r: usize, row: &[f64]) -> Drawn {
        let edge = |(low, high): (f64, f64), i: usize, n: usize| low + (high - low) * i as f64 / n as f64;
        row.iter().enumerate().try_for_each(|(c, value)| {
            let lower = self.plot.at(edge(self.x, c, row.len()), edge(self.y, r, self.rows));
            let upper = self.plot.at(edge(self.x, c + 1, row.len()), edge(self.y, r + 1, self.rows));
            self.tile(pen, (lower, upper), *value)
        })
    }

    fn tile(&self, pen: &Pen<'_>, (lower, upper): (At, At), value: f64) -> Drawn {
        let middle = ((lower.0 + upper.0) / 2, (lower.1 + upper.1) / 2);
        if !drawable(value) {
            let half = ((upper.0 - lower.0) / 3).min(8);
            return pen.line(vec![(middle.0 - half, middle.1), (middle.0 + half, middle.1)], Ink::Text, 2);
        }
        let (low, high) = self.scale;
        let strength = strength((value - low) / (high - low));
        pen.block(lower, upper, Ink::Heat, strength)?;
        if !self.printed {
            return Ok(());
        }
        let ink = if strength > 0.55 { Ink::Paper } else { Ink::Text };
        pen.text(&number::tick(value, high - low), middle, Anchor::Middle, ink)
    }
}

fn within(value: f64, (low, high): (f64, f64)) -> bool {
    low <= value && value <= high
}

/// The curve, interrupted where a point does not lie `inside`.
fn kept(series: &Series, inside: impl Fn(&Point) -> bool) -> Series {
    let keep = |p: &Point| if inside(p) { *p } else { Point::new(p.x, f64::NAN) };
    Series { points: series.points.iter().map(keep).collect(), ..series.clone() }
}

/// Draws a curve over the map, on a strip of paper so that it is seen on any ink.
fn over<'p>(pen: &Pen<'p>, plot: &Plot<'p>, i: usize, series: &Series) -> Drawn {
    for run in series.points.split(|p| !shown(p)).filter(|run| run.len() > 1) {
        pen.line(run.iter().map(|p| plot.at(p.x, p.y)).collect(), Ink::Paper, Ink::width(i) + 8)?;
    }
    let curve = Curve { pen, plot, i, shift: 0, series };
    curve.intervals()?;
    curve.line()
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
