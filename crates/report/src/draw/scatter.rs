//! Points with names, and intervals in both directions.

use super::curve::{interval, shown};
use super::ink::Ink;
use super::legend::{Legend, SWATCH};
use super::pen::{Anchor, Pen, TEXT, sheet};
use super::plot::{BELOW, LEFT, Plot, Side};
use super::span::ends;
use super::{At, Drawn, mark, span, words};
use crate::{Axis, Spot};

/// The height of the plot itself.
const HEIGHT: i32 = 640;

/// How far a name stands from its mark.
const OFF: At = (18, 24);

/// A figure of points.
pub(super) struct Scatter<'a> {
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    pub(super) spots: &'a [Spot],
}

/// A rectangle: its upper left and its lower right corner.
type Box = (At, At);

impl Scatter<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let legend = Legend::new(self.spots.iter().map(|s| s.name.as_str()));
        let top = legend.height();
        sheet(top + HEIGHT + BELOW, |pen| {
            legend.draw(pen, |i, (x, y)| mark::draw(pen, i, (x + SWATCH / 2, y)))?;
            let plot = self.plot(pen, top)?;
            let spots: Vec<_> = self.spots.iter().enumerate().filter(|(_, s)| shown(&s.at)).collect();
            if spots.is_empty() {
                plot.say_empty(pen)?;
            }
            let place = |s: &Spot| plot.at(s.at.x, s.at.y);
            spots.iter().try_for_each(|(i, spot)| cross(pen, &plot, *i, spot))?;
            spots.iter().try_for_each(|(i, spot)| mark::draw(pen, *i, place(spot)))?;
            let mut taken: Vec<Box> = spots.iter().map(|(_, s)| around(place(s))).collect();
            taken.extend(spots.iter().flat_map(|(_, s)| arms(&plot, s)));
            let inside = (plot.upper_left(), plot.lower_right());
            spots.iter().try_for_each(|(_, spot)| name(pen, &spot.name, place(spot), inside, &mut taken))
        })
    }

    fn plot<'p>(&self, pen: &Pen<'p>, top: i32) -> Drawn<Plot<'p>> {
        let spots = || self.spots.iter().filter(|s| shown(&s.at));
        let x = spots().flat_map(|s| {
            let (low, high) = across(s).unwrap_or((s.at.x, s.at.x));
            [s.at.x, low, high]
        });
        let y = spots().flat_map(|s| {
            let (low, high) = interval(&s.at).unwrap_or((s.at.y, s.at.y));
            [s.at.y, low, high]
        });
        let (x_span, (low, high)) = (span::of(self.x, x, 0.06), span::of(self.y, y, 0.06));
        // Room for a name above the highest point.
        let y_span = (low, high + 0.06 * (high - low));
        let x = Side { label: &self.x.label, span: x_span, ticks: 12, room: BELOW, grid: true };
        let y = Side { label: &self.y.label, span: y_span, ticks: 8, room: LEFT, grid: true };
        Plot::new(pen, top, &x, &y)
    }
}

/// The intervals of a point.
fn cross(pen: &Pen<'_>, plot: &Plot<'_>, i: usize, spot: &Spot) -> Drawn {
    if let Some((low, high)) = interval(&spot.at) {
        mark::interval(pen, plot.at(spot.at.x, low), plot.at(spot.at.x, high), Ink::Mark(i), 3)?;
    }
    match across(spot) {
        Some((low, high)) => mark::interval(pen, plot.at(low, spot.at.y), plot.at(high, spot.at.y), Ink::Mark(i), 3),
        None => Ok(()),
    }
}

/// The horizontal interval of a point.
fn across(spot: &Spot) -> Option<(f64, f64)> {
    let (low, high) = spot.across?;
    ends(spot.at.x, Some(low), Some(high))
}

/// Where the intervals of a point run.
fn arms(plot: &Plot<'_>, spot: &Spot) -> impl Iterator<Item = Box> {
    let down = interval(&spot.at).map(|(low, high)| (plot.at(spot.at.x, high), plot.at(spot.at.x, low)));
    let along = across(spot).map(|(low, high)| (plot.at(low, spot.at.y), plot.at(high, spot.at.y)));
    down.into_iter().chain(along)
}

fn around((x, y): At) -> Box {
    ((x - 12, y - 12), (x + 12, y + 12))
}

/// Writes a name at the first of four places beside its mark where it hides nothing; the legend has it in any case.
fn name(pen: &Pen<'_>, name: &str, (x, y): At, inside: Box, taken: &mut Vec<Box>) -> Drawn {
    let wide = words::width(name);
    for (side, up) in [(1, -1), (1, 1), (-1, -1), (-1, 1)] {
        let (start, middle) = (x + side * OFF.0, y + up * OFF.1);
        let (left, right) = (start.min(start + side * wide), start.max(start + side * wide));
        let own = ((left, middle - TEXT / 2), (right, middle + TEXT / 2));
        let fits = inside.0.0 <= left && right <= inside.1.0 && inside.0.1 <= own.0.1 && own.1.1 <= inside.1.1;
        if fits && taken.iter().all(|other| apart(own, *other)) {
            taken.push(own);
            let anchor = if side > 0 { Anchor::Start } else { Anchor::End };
            return pen.text(name, (start, middle), anchor, Ink::Text);
        }
    }
    Ok(())
}

fn apart(a: Box, b: Box) -> bool {
    a.1.0 < b.0.0 || b.1.0 < a.0.0 || a.1.1 < b.0.1 || b.1.1 < a.0.1
}
