//! One curve.

use super::ink::Ink;
use super::legend::SWATCH;
use super::pen::Pen;
use super::plot::Plot;
use super::span::{drawable, ends};
use super::{At, Drawn, mark};
use crate::{Point, Series};

/// A curve with more intervals than this shows them as a band even if it has marks.
const MOST_BARS: usize = 24;

/// One curve on its way onto the sheet.
pub(super) struct Curve<'a, 'p> {
    pub(super) pen: &'a Pen<'p>,
    pub(super) plot: &'a Plot<'p>,
    /// Its number, which decides how it looks.
    pub(super) i: usize,
    /// How far it is set aside, so that intervals at the same x can be told apart.
    pub(super) shift: i32,
    pub(super) series: &'a Series,
}

impl Curve<'_, '_> {
    fn at(&self, x: f64, y: f64) -> At {
        let (x, y) = self.plot.at(x, y);
        (x + self.shift, y)
    }

    /// Its intervals, to be drawn below every line.
    pub(super) fn intervals(&self) -> Drawn {
        if !is_band(self.series) {
            return self.series.points.iter().try_for_each(|p| self.bar(p));
        }
        let banded = |p: &Point| shown(p) && interval(p).is_some();
        self.series.points.split(|p| !banded(p)).try_for_each(|run| match run {
            [alone] => self.bar(alone),
            run => self.band(run),
        })
    }

    fn bar(&self, p: &Point) -> Drawn {
        match interval(p).filter(|_| shown(p)) {
            Some((low, high)) => mark::interval(self.pen, self.at(p.x, low), self.at(p.x, high), Ink::Mark(self.i), 3),
            None => Ok(()),
        }
    }

    fn band(&self, run: &[Point]) -> Drawn {
        if run.is_empty() {
            return Ok(());
        }
        let edge = |end: fn((f64, f64)) -> f64| {
            run.iter().filter_map(move |p| interval(p).map(|ends| self.at(p.x, end(ends)))).collect::<Vec<_>>()
        };
        let (lower, mut outline) = (edge(|(low, _)| low), edge(|(_, high)| high));
        outline.extend(lower.into_iter().rev());
        self.pen.surface(outline, Ink::Mark(self.i), 0.18)
    }

    /// What it was smoothed from, to be drawn below everything else.
    pub(super) fn raw(&self) -> Drawn {
        let runs = self.series.raw.split(|p| !shown(p)).filter(|run| run.len() > 1);
        runs.map(|run| run.iter().map(|p| self.at(p.x, p.y)).collect())
            .try_for_each(|places| self.pen.pale_line(places, Ink::Mark(self.i)))
    }

    /// Its line and its marks.
    pub(super) fn line(&self) -> Drawn {
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

/// The sample of a curve in a legend.
pub(super) fn swatch(pen: &Pen<'_>, series: usize, (x, y): At, marks: bool) -> Drawn {
    pen.line(vec![(x, y), (x + SWATCH, y)], Ink::Line(series), Ink::width(series))?;
    if marks { mark::draw(pen, series, (x + SWATCH / 2, y)) } else { Ok(()) }
}

/// Whether a point can be drawn.
pub(super) fn shown(point: &Point) -> bool {
    drawable(point.x) && drawable(point.y)
}

/// The interval of a point, if it has one.
pub(super) fn interval(point: &Point) -> Option<(f64, f64)> {
    ends(point.y, point.low, point.high)
}

/// Whether the intervals of a curve are drawn as a band.
pub(super) fn is_band(series: &Series) -> bool {
    !series.marks || series.points.iter().filter(|p| interval(p).is_some()).count() > MOST_BARS
}
