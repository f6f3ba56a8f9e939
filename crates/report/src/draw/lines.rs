//! Curves over a number.

use super::curve::{Curve, interval, is_band, shown, swatch};
use super::ink::Ink;
use super::legend::Legend;
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, Side};
use super::span::drawable;
use super::{Drawn, WIDTH, span, words};
use crate::{Axis, Point, Series};

/// The height of the plot itself.
const HEIGHT: i32 = 600;

/// The room for the name of the shaded interval, above the plot.
const STRIP: i32 = 36;

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
            curves.iter().try_for_each(Curve::raw)?;
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

fn shown_points(series: &[Series]) -> impl Iterator<Item = &Point> {
    series.iter().flat_map(|s| s.points.iter().chain(&s.raw)).filter(|p| shown(p))
}
