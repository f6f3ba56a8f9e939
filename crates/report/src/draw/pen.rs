//! A pen: strokes, surfaces and text at places of a drawing.

use super::ink::{Ink, dress};
use super::{At, Drawn, WIDTH};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The height of text.
pub(super) const TEXT: i32 = 25;

/// Where text stands relative to its place; it is always centred vertically.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Draws on one sheet.
pub(super) struct Pen<'a> {
    pub(super) sheet: DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
}

/// A sheet of some height with what `draw` puts on it.
pub(super) fn sheet(height: i32, draw: impl FnOnce(&Pen<'_>) -> Drawn) -> Drawn<String> {
    let mut svg = String::new();
    {
        let size = (WIDTH as u32, height.max(1) as u32);
        let pen = Pen { sheet: SVGBackend::with_string(&mut svg, size).into_drawing_area() };
        draw(&pen)?;
        pen.sheet.present()?;
    }
    Ok(dress(&svg))
}

/// The font of all text. The library divides sizes by 1.24; the page's style sheet chooses the family.
pub(super) fn font() -> TextStyle<'static> {
    ("sans-serif", f64::from(TEXT) * 1.24).into_font().color(&Ink::Text.colour())
}

impl Pen<'_> {
    /// A line through places.
    pub(super) fn line(&self, places: Vec<At>, ink: Ink, width: u32) -> Drawn {
        self.sheet.draw(&PathElement::new(places, ink.colour().stroke_width(width)))
    }

    /// A thin, pale line through places.
    pub(super) fn pale_line(&self, places: Vec<At>, ink: Ink) -> Drawn {
        self.sheet.draw(&PathElement::new(places, ink.colour().mix(0.4).stroke_width(2)))
    }

    /// The surface inside a closed line.
    pub(super) fn surface(&self, places: Vec<At>, ink: Ink, opacity: f64) -> Drawn {
        self.sheet.draw(&Polygon::new(places, ink.colour().mix(opacity).filled()))
    }

    /// The rectangle between two corners.
    pub(super) fn block(&self, (x0, y0): At, (x1, y1): At, ink: Ink, opacity: f64) -> Drawn {
        let corners = [(x0.min(x1), y0.min(y1)), (x0.max(x1), y0.max(y1))];
        self.sheet.draw(&Rectangle::new(corners, ink.colour().mix(opacity).filled()))
    }

    /// The outline of the rectangle between two corners.
    pub(super) fn outline(&self, (x0, y0): At, (x1, y1): At, ink: Ink) -> Drawn {
        self.line(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], ink, 3)
    }

    /// A thin outline in the colour of the text.
    pub(super) fn thin_outline(&self, (x0, y0): At, (x1, y1): At) -> Drawn {
        self.line(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], Ink::Text, 1)
    }

    /// A circle, full or as a ring.
    pub(super) fn circle(&self, centre: At, radius: i32, ink: Ink, full: bool) -> Drawn {
        let style = ink.colour().stroke_width(4);
        self.sheet.draw(&Circle::new(centre, radius, if full { style.filled() } else { style }))
    }

    /// One line of text.
    pub(super) fn text(&self, text: &str, at: At, anchor: Anchor, ink: Ink) -> Drawn {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let colour = ink.colour();
        let style = font().color(&colour).pos(Pos::new(horizontal, VPos::Center));
        self.sheet.draw_text(text, &style, at)
    }
}
