//! Bars side by side in groups.

use super::ink::Ink;
use super::legend::{Legend, SWATCH};
use super::pen::{Anchor, Pen, sheet};
use super::plot::{BELOW, LEFT, Plot, RIGHT, Side};
use super::span::{drawable, ends};
use super::{At, Drawn, WIDTH, mark, span, words};
use crate::{Axis, Bar, BarSeries, number};

/// The height of the plot while the bars stand.
const HEIGHT: i32 = 560;

/// The share of a group's room that its bars take.
const FULL: f64 = 0.8;

/// The thickest bar.
const THICK: f64 = 90.0;

/// A figure of bars.
pub(super) struct Bars<'a> {
    pub(super) axis: &'a Axis,
    pub(super) groups: &'a [String],
    pub(super) series: &'a [BarSeries],
}

/// How the bars of a figure are laid out.
struct Layout {
    /// Whether they lie.
    lie: bool,
    /// The room of the names of the groups.
    names: i32,
    /// The extent of the plot along the groups.
    along: i32,
}

impl Bars<'_> {
    pub(super) fn svg(&self) -> Drawn<String> {
        let legend = Legend::new(self.series.iter().map(|s| s.name.as_str()));
        let layout = self.layout();
        let top = legend.height();
        let height = if layout.lie { layout.along + BELOW } else { HEIGHT + layout.names };
        sheet(top + height, |pen| {
            legend.draw(pen, |i, (x, y)| surface(pen, i, (x, y - 13), (x + SWATCH, y + 13)))?;
            let plot = self.plot(pen, top, &layout)?;
            if !self.bars().any(|b| drawable(b.value)) {
                plot.say_empty(pen)?;
            }
            let grid = Grid { plot, layout, groups: self.groups.len(), series: self.series.len() };
            for (i, name) in self.groups.iter().enumerate() {
                grid.name(pen, i, name)?;
            }
            for (j, series) in self.series.iter().enumerate() {
                series.bars.iter().enumerate().try_for_each(|(i, bar)| grid.bar(pen, i, j, bar))?;
            }
            let ends = [grid.at(-0.5, 0.0), grid.at(self.groups.len() as f64 - 0.5, 0.0)];
            pen.line(ends.to_vec(), Ink::Text, 2)
        })
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.series.iter().flat_map(|s| &s.bars)
    }

    fn layout(&self) -> Layout {
        let groups = self.groups.len().max(1) as i32;
        let longest = self.groups.iter().map(|name| words::width(name)).max().unwrap_or(0);
        let along = WIDTH - LEFT - RIGHT;
        if longest + 20 > along / groups {
            let thick = (30 * self.series.len() as i32 + 24).max(48);
            return Layout { lie: true, names: (longest + 30).clamp(LEFT, WIDTH / 2), along: groups * thick };
        }
        Layout { lie: false, names: 60, along }
    }

    fn plot<'p>(&self, pen: &Pen<'p>, top: i32, layout: &Layout) -> Drawn<Plot<'p>> {
        let values = self.bars().filter(|b| drawable(b.value)).flat_map(|b| {
            let (low, high) = ends(b.value, b.low, b.high).unwrap_or((b.value, b.value));
            [b.value, low, high]
        });
        let span = span::of(self.axis, values.chain([0.0]), 0.0);
        let span = if self.axis.range.is_some() { span } else { with_air(span) };
        let room = if layout.lie { BELOW } else { LEFT };
        let values = Side { label: &self.axis.label, span, ticks: 8, room, grid: true };
        let ends = (-0.5, self.groups.len().max(1) as f64 - 0.5);
        let groups = Side { label: "", span: ends, ticks: 0, room: layout.names, grid: false };
        if layout.lie { Plot::new(pen, top, &values, &groups) } else { Plot::new(pen, top, &groups, &values) }
    }
}

/// The places of bars and names.
struct Grid<'p> {
    plot: Plot<'p>,
    layout: Layout,
    groups: usize,
    series: usize,
}

impl Grid<'_> {
    /// The place of a value at a position along the groups; the first group is at the left or at the top.
    fn at(&self, position: f64, value: f64) -> At {
        match self.layout.lie {
            true => self.plot.at(value, self.groups as f64 - 1.0 - position),
            false => self.plot.at(position, value),
        }
    }

    fn name(&self, pen: &Pen<'_>, group: usize, name: &str) -> Drawn {
        let (x, y) = self.at(group as f64, 0.0);
        match self.layout.lie {
            true => {
                let name = words::fit(name, self.layout.names - 20);
                pen.text(&name, (self.layout.names - 14, y), Anchor::End, Ink::Text)
            }
            false => pen.text(name, (x, self.plot.lower_right().1 + 28), Anchor::Middle, Ink::Text),
        }
    }

    fn bar(&self, pen: &Pen<'_>, group: usize, series: usize, bar: &Bar) -> Drawn {
        let room = f64::from(self.layout.along) / self.groups as f64;
        let thick = (FULL / self.series as f64).min(THICK / room);
        let middle = group as f64 + (series as f64 - (self.series as f64 - 1.0) / 2.0) * thick;
        if !drawable(bar.value) {
            let (x, y) = self.at(middle, 0.0);
            let at = if self.layout.lie { (x + 16, y) } else { (x, y - 16) };
            return pen.text(number::DASH, at, Anchor::Middle, Ink::Text);
        }
        // A little air between neighbours.
        let half = 0.46 * thick;
        surface(pen, series, self.at(middle - half, 0.0), self.at(middle + half, bar.value))?;
        let Some((low, high)) = ends(bar.value, bar.low, bar.high) else { return Ok(()) };
        let (low, high) = (self.at(middle, low), self.at(middle, high));
        mark::interval(pen, low, high, Ink::Paper, 7)?;
        mark::interval(pen, low, high, Ink::Text, 3)
    }
}

fn surface(pen: &Pen<'_>, series: usize, a: At, b: At) -> Drawn {
    pen.block(a, b, Ink::Hatch(series), 1.0)?;
    pen.outline(a, b, Ink::Mark(series))
}

/// The span with room beyond the longest bars; where it ends at 0, bars stand on its edge.
fn with_air((low, high): (f64, f64)) -> (f64, f64) {
    let air = 0.06 * (high - low);
    (if low < 0.0 { low - air } else { low }, if high > 0.0 { high + air } else { high })
}
