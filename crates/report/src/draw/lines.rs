//! Curves over a number.

use super::ink::Ink;
use super::legend::{Legend, SWATCH};
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, Side};
use super::span::{drawable, ends};
use super::{At, Drawn, WIDTH, mark, span, words};
use crate::{Axis, Point, Series};

/// The height of the plot itself.
const HEIGHT: i32 = 600;

/// The room for the name of the shaded interval, above the plot.
const STRIP: i32 = 36;

/// A curve with more intervals than this shows them as a band.
const MOST_BARS: usize = 24;

/// How far the intervals of two curves are set apart.
const APART: i32 = 8;

/// A figure of curves.
pub(super) struct Lines<'a> {
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    pub(super) series: &'a [Series],
    pub(super) shade: Option<&'a (f64, f64, String)>,
}

impl Lines<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let legend = Legend::new(self.series.iter().map(|s| s.name.as_str()));
        let shade = self.shade.filter(|(from, to, _)| drawable(*from) && drawable(*to));
        let top = legend.height() + if shade.is_some() { STRIP } else { 0 };
        sheet(top + HEIGHT + BELOW, |pen| {
            legend.draw(pen, |i, at| swatch(pen, i, at, self.series[i].marks))?;
            let plot = self.plot(pen, top)?;
            if let Some((from, to, name)) = shade {
                shade_in(pen, &plot, (*from, *to), name)?;
            }
            if !self.series.iter().flat_map(|s| &s.points).any(shown) {
                plot.say_empty(pen)?;
            }
            let bars = |s: &&Series| s.points.iter().any(|p| interval(p).is_some()) && !is_band(s);
            let apart = if self.series.iter().filter(bars).count() > 1 { APART } else { 0 };
            let first = -(self.series.len() as i32 - 1) * apart / 2;
            let curves = self.series.iter().enumerate();
            let curves =
                curves.map(|(i, series)| Curve { pen, plot: &plot, i, shift: first + i as i32 * apart, series });
            let curves: Vec<_> = curves.collect();
            curves.iter().try_for_each(Curve::intervals)?;
            curves.iter().try_for_each(Curve::line)
        })
    }

    fn plot<'p>(&self, pen: &Pen<'p>, top: i32) -> Drawn<Plot<'p>> {
        let y = shown_points(self.series).flat_map(|p| {
            let (low, high) = interval(p).unwrap_or((p.y, p.y));
            [p.y, low, high]
        });
        let y = Side { label: &self.y.label, span: span::of(self.y, y, 0.06), ticks: 8, room: LEFT, grid: true };
        let shade = self.shade.into_iter().flat_map(|(from, to, _)| [*from, *to]);
        let x = span::of(self.x, shown_points(self.series).map(|p| p.x).chain(shade), 0.03);
        let x = Side { label: &self.x.label, span: x, ticks: 12, room: BELOW, grid: true };
        Plot::new(pen, top, &x, &y)
    }
}

/// One curve on its way onto the sheet.
struct Curve<'a, 'p> {
    pen: &'a Pen<'p>,
    plot: &'a Plot<'p>,
    /// Its number, which decides how it looks.
    i: usize,
    /// How far it is set aside, so that intervals at the same x can be told apart.
    shift: i32,
    series: &'a Series,
}

impl Curve<'_, '_> {
    fn at(&self, x: f64, y: f64) -> At {
        let (x, y) = self.plot.at(x, y);
        (x + self.shift, y)
    }

    fn intervals(&self) -> Drawn {
        if is_band(self.series) {
            let banded = |p: &Point| shown(p) && interval(p).is_some();
            return self
                .series
                .points
                .split(|p| !banded(p))
                .filter(|run| run.len() > 1)
                .try_for_each(|run| self.band(run));
        }
        self.series.points.iter().filter(|p| shown(p)).try_for_each(|p| match interval(p) {
            Some((low, high)) => {
                mark::interval(self.pen, self.at(p.x, low), self.at(p.x, high), (Ink::Mark(self.i), 3))
            }
            None => Ok(()),
        })
    }

    fn band(&self, run: &[Point]) -> Drawn {
        let edge = |end: fn((f64, f64)) -> f64| {
            run.iter().filter_map(move |p| interval(p).map(|ends| self.at(p.x, end(ends)))).collect::<Vec<_>>()
        };
        let (lower, mut outline) = (edge(|(low, _)| low), edge(|(_, high)| high));
        outline.extend(lower.into_iter().rev());
        self.pen.surface(outline, Ink::Mark(self.i), 0.18)
    }

    fn line(&self) -> Drawn {
        for run in self.series.points.split(|p| !shown(p)) {
            let places: Vec<At> = run.iter().map(|p| self.at(p.x, p.y)).collect();
            if self.series.marks || places.len() == 1 {
                places.iter().try_for_each(|at| mark::draw(self.pen, self.i, *at))?;
            }
            if places.len() > 1 {
                self.pen.line(places, Ink::Line(self.i), Ink::width(self.i))?;
            }
        }
        Ok(())
    }
}

/// The shaded interval, and its name above the plot.
fn shade_in(pen: &Pen<'_>, plot: &Plot<'_>, (from, to): (f64, f64), name: &str) -> Drawn {
    let (upper, lower) = (plot.upper_left().1, plot.lower_right().1);
    let (from, to) = (plot.at(from.min(to), 0.0).0, plot.at(from.max(to), 0.0).0);
    pen.block((from, upper), (to, lower), Ink::Shade, 1.0)?;
    let name = words::fit(name, WIDTH - 40);
    let half = words::width(&name) / 2 + 10;
    let middle = ((from + to) / 2).max(half).min(WIDTH - half);
    pen.text(&name, (middle, upper - STRIP / 2), Anchor::Middle, Ink::Text)
}

fn swatch(pen: &Pen<'_>, series: usize, (x, y): At, marks: bool) -> Drawn {
    pen.line(vec![(x, y), (x + SWATCH, y)], Ink::Line(series), Ink::width(series))?;
    if marks { mark::draw(pen, series, (x + SWATCH / 2, y)) } else { Ok(()) }
}

fn shown(point: &Point) -> bool {
    drawable(point.x) && drawable(point.y)
}

fn shown_points(series: &[Series]) -> impl Iterator<Item = &Point> {
    series.iter().flat_map(|s| &s.points).filter(|p| shown(p))
}

fn interval(point: &Point) -> Option<(f64, f64)> {
    ends(point.y, point.low, point.high)
}

fn is_band(series: &Series) -> bool {
    series.points.iter().filter(|p| interval(p).is_some()).count() > MOST_BARS
}
