//! Figures as data.

use crate::MAX_PARTS;

/// The most series one figure can show: as many as have a colour, a dash and a mark of their own.
pub const MAX_SERIES: usize = 8;

/// A drawing with a caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What the figure shows; numbered by the report.
    pub caption: String,
    /// What is drawn.
    pub kind: FigureKind,
}

/// The kinds of drawings. Numbers that are not finite are left out everywhere.
#[derive(Clone, Debug, PartialEq)]
pub enum FigureKind {
    /// Curves over a number.
    Lines {
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// The curves, at most [`MAX_SERIES`]. Intervals of a curve with marks are bars, which are set a little beside
        /// each other where there are several curves; those of a curve without marks or with many points are a band.
        series: Vec<Series>,
        /// An interval of x to shade, and its name.
        shade: Option<(f64, f64, String)>,
    },
    /// Bars side by side in groups; they lie if the names of the groups are too long to stand beside each other.
    Bars {
        /// The axis of the values; it always includes 0.
        y: Axis,
        /// The names of the groups.
        groups: Vec<String>,
        /// The bars, at most [`MAX_SERIES`] per group.
        series: Vec<BarSeries>,
    },
    /// A map of values.
    Heat {
        /// The horizontal axis. Its range is that of the outer edges; without one, columns are counted from 0.
        x: Axis,
        /// The vertical axis, likewise for rows.
        y: Axis,
        /// What the values are; the scale covers at least its range.
        scale: Axis,
        /// Rows of equal length, the first at the bottom.
        values: Vec<Vec<f64>>,
        /// Curves over the map in the units of its axes, at most [`MAX_SERIES`]; what lies outside the map is left out.
        lines: Vec<Series>,
    },
    /// Points with names, such as models by what they lost and what they withstand.
    Scatter {
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// The points, at most [`MAX_SERIES`]; each has a mark of its own and its name in the legend, and beside it
        /// where there is room.
        spots: Vec<Spot>,
    },
    /// Lying bars that add up to 100%, such as scores from 1 to 5 in several arms.
    Stacks {
        /// Whether the parts are grades of one thing, which are shaded from weak to strong in their order. Parts that
        /// are not have inks of their own, those of [`Parts`](crate::Parts).
        grades: bool,
        /// What the shares are shares of.
        x: Axis,
        /// The names of the bars, the first on top.
        groups: Vec<String>,
        /// The names of the parts, from left to right, at most [`MAX_SERIES`].
        parts: Vec<String>,
        /// For each group, how often each part came up.
        counts: Vec<Vec<usize>>,
        /// So many parts from the left together get a Wilson 95% interval, at the place where they end.
        cut: Option<usize>,
    },
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// What it covers at least; it is widened rather than data be cut off. Without one it fits the data.
    pub range: Option<(f64, f64)>,
}

/// A curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, joined in this order; a point without a finite y interrupts it.
    pub points: Vec<Point>,
    /// Whether every point gets a mark.
    pub marks: bool,
    /// What the curve was smoothed from, drawn thin and pale behind it; empty where it was not.
    pub raw: Vec<Point>,
}

/// A point of a curve, with an interval or without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// How much.
    pub y: f64,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
}

/// A point with a name, and intervals in both directions or without.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Its name.
    pub name: String,
    /// Where it is, with the vertical interval.
    pub at: Point,
    /// The horizontal interval.
    pub across: Option<(f64, f64)>,
}

/// The bars of one colour, one in every group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarSeries {
    /// Its name in the legend.
    pub name: String,
    /// One bar per group, in the order of the groups.
    pub bars: Vec<Bar>,
}

/// A bar, with an interval or without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// How much; a dash is shown if it is not finite.
    pub value: f64,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
}

impl Axis {
    /// An axis that fits the data.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), range: None }
    }

    /// An axis that covers at least `low` to `high`.
    pub fn covering(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { label: label.into(), range: Some((low, high)) }
    }
}

impl Point {
    /// A point without an interval.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, low: None, high: None }
    }

    /// A point with an interval.
    pub fn between(x: f64, y: f64, (low, high): (f64, f64)) -> Self {
        Self { x, y, low: Some(low), high: Some(high) }
    }

    /// A rate in percent with its Wilson 95% interval; not drawn if `n` is 0.
    pub fn rate(x: f64, k: usize, n: usize) -> Self {
        let bar = Bar::rate(k, n);
        Self { x, y: bar.value, low: bar.low, high: bar.high }
    }
}

impl Series {
    /// A noisy curve, smoothed: each point is the mean over up to `window` neighbours around it (itself included), with
    /// the points themselves behind it. Points that are not finite are left out first.
    pub fn smoothed(name: impl Into<String>, points: &[Point], window: usize) -> Self {
        let raw: Vec<Point> = points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()).copied().collect();
        let half = window.saturating_sub(1) / 2;
        let smooth = |i: usize| {
            let around = &raw[i.saturating_sub(half)..(i + half + 1).min(raw.len())];
            Point::new(raw[i].x, around.iter().map(|p| p.y).sum::<f64>() / around.len() as f64)
        };
        Self { name: name.into(), points: (0..raw.len()).map(smooth).collect(), marks: false, raw }
    }

    /// The width [`smoothed`](Self::smoothed) is given for a curve of so many points: about 5% of them, odd, at least
    /// 3.
    pub fn smoothing(points: usize) -> usize {
        (points / 20).max(3) | 1
    }
}

impl Bar {
    /// A bar without an interval.
    pub fn new(value: f64) -> Self {
        Self { value, low: None, high: None }
    }

    /// A rate in percent with its Wilson 95% interval; not drawn if `n` is 0.
    pub fn rate(k: usize, n: usize) -> Self {
        if n == 0 {
            return Self::new(f64::NAN);
        }
        let (low, high) = mosa_core::wilson(k, n);
        Self { value: 100.0 * k as f64 / n as f64, low: Some(100.0 * low), high: Some(100.0 * high) }
    }
}

impl FigureKind {
    /// What does not fit together, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        match self {
            Self::Lines { series, .. } => too_many(series.len()),
            Self::Bars { groups, series, .. } => {
                let odd = series.iter().find(|s| s.bars.len() != groups.len());
                too_many(series.len()).or(odd
                    .map(|s| format!("`{}` has {} bars, but there are {} groups", s.name, s.bars.len(), groups.len())))
            }
            Self::Heat { values, lines, .. } => {
                let first = values.first().map_or(0, Vec::len);
                let odd = values.iter().position(|row| row.len() != first);
                let uneven = odd.map(|odd| format!("row {odd} has {} values, row 0 has {first}", values[odd].len()));
                uneven.or(too_many(lines.len()))
            }
            Self::Scatter { spots, .. } => too_many(spots.len()),
            Self::Stacks { grades, groups, parts, counts, .. } => {
                let inks = (!grades && parts.len() > MAX_PARTS)
                    .then(|| format!("{} parts, {MAX_PARTS} can be told apart unless they are grades", parts.len()));
                let (bars, rows) = (groups.len(), counts.len());
                let uneven = (bars != rows).then(|| format!("{rows} rows of counts for {bars} groups"));
                let odd = counts.iter().zip(groups).find(|(row, _)| row.len() != parts.len());
                let odd = odd.map(|(row, name)| {
                    format!("`{name}` has {} counts, but there are {} parts", row.len(), parts.len())
                });
                too_many(parts.len()).or(inks).or(uneven).or(odd)
            }
        }
    }
}

fn too_many(series: usize) -> Option<String> {
    (series > MAX_SERIES).then(|| format!("{series} series, {MAX_SERIES} can be told apart: split the figure"))
}
