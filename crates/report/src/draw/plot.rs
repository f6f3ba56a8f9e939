//! The plot: two axes, their grid, and the places of values between them.

use super::ink::Ink;
use super::pen::{Anchor, Pen, TEXT, font};
use super::{At, Drawn, words};
use crate::number;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// One side of a plot.
pub(super) struct Side<'a> {
    /// What is measured.
    pub(super) label: &'a str,
    /// What is covered.
    pub(super) span: (f64, f64),
    /// How many ticks at most; none if something else labels this side.
    pub(super) ticks: usize,
    /// The room for the labels.
    pub(super) room: i32,
    /// Whether lines run from the ticks across the plot.
    pub(super) grid: bool,
}

/// Axes on a sheet.
pub(super) struct Plot<'a> {
    grid: DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    x: (f64, f64),
    y: (f64, f64),
}

/// Free room at the right edge.
pub(super) const RIGHT: i32 = 30;

/// The room of a left side with ticks and a label.
pub(super) const LEFT: i32 = 130;

/// The room of a lower side with ticks and a label.
pub(super) const BELOW: i32 = 90;

impl<'a> Plot<'a> {
    /// Draws the axes below `top`.
    pub(super) fn new(pen: &Pen<'a>, top: i32, x: &Side<'_>, y: &Side<'_>) -> Drawn<Self> {
        let mut builder = ChartBuilder::on(&pen.sheet);
        builder.margin_top(top).margin_right(RIGHT).y_label_area_size(y.room).x_label_area_size(x.room);
        let mut chart = builder.build_cartesian_2d(x.span.0..x.span.1, y.span.0..y.span.1)?;
        let (wide, high) = chart.plotting_area().dim_in_pixel();
        let x_tick = |v: &f64| number::tick(*v, x.span.1 - x.span.0);
        let y_tick = |v: &f64| number::tick(*v, y.span.1 - y.span.0);
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(x.ticks).y_labels(y.ticks).x_label_formatter(&x_tick).y_label_formatter(&y_tick);
        mesh.label_style(font()).axis_desc_style(font()).set_all_tick_mark_size(7);
        mesh.axis_style(Ink::Text.colour().mix(0.7).stroke_width(2)).light_line_style(TRANSPARENT);
        mesh.bold_line_style(Ink::Text.colour().mix(0.16).stroke_width(2));
        if !x.grid {
            mesh.disable_x_mesh();
        }
        if !y.grid {
            mesh.disable_y_mesh();
        }
        if !x.label.is_empty() {
            mesh.x_desc(words::fit(x.label, wide as i32));
        }
        if !y.label.is_empty() {
            mesh.y_desc(words::fit(y.label, high as i32));
        }
        mesh.draw()?;
        Ok(Self { grid: chart.plotting_area().clone(), x: x.span, y: y.span })
    }

    /// The place of a pair of values.
    pub(super) fn at(&self, x: f64, y: f64) -> At {
        self.grid.map_coordinate(&(x, y))
    }

    /// The upper left corner.
    pub(super) fn upper_left(&self) -> At {
        self.at(self.x.0, self.y.1)
    }

    /// The lower right corner.
    pub(super) fn lower_right(&self) -> At {
        self.at(self.x.1, self.y.0)
    }

    /// Says that there is nothing to see.
    pub(super) fn say_empty(&self, pen: &Pen<'_>) -> Drawn {
        let ((x0, y0), (x1, y1)) = (self.upper_left(), self.lower_right());
        pen.text("no data", ((x0 + x1) / 2, (y0 + y1) / 2 - TEXT / 2), Anchor::Middle, Ink::Text)
    }
}
