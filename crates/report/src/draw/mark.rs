//! The mark of a series: a shape of its own, so that grey paper suffices.

use super::ink::Ink;
use super::pen::Pen;
use super::{At, Drawn};

/// Corners of the marks that are surfaces.
const SHAPES: [&[At]; 4] = [
    &[(-8, -8), (8, -8), (8, 8), (-8, 8)],
    &[(0, -11), (10, 8), (-10, 8)],
    &[(0, -12), (11, 0), (0, 12), (-11, 0)],
    &[(0, 11), (10, -8), (-10, -8)],
];

/// Draws the mark of the numbered series.
pub(super) fn draw(pen: &Pen<'_>, series: usize, (x, y): At) -> Drawn {
    let ink = Ink::Mark(series);
    let stroke = |a: At, b: At| pen.line(vec![(x + a.0, y + a.1), (x + b.0, y + b.1)], ink, 5);
    match series {
        0 => pen.circle((x, y), 9, ink, true),
        1..=4 => pen.surface(SHAPES[series - 1].iter().map(|(dx, dy)| (x + dx, y + dy)).collect(), ink, 1.0),
        5 => pen.circle((x, y), 9, ink, false),
        6 => stroke((-11, 0), (11, 0)).and_then(|()| stroke((0, -11), (0, 11))),
        _ => stroke((-8, -8), (8, 8)).and_then(|()| stroke((-8, 8), (8, -8))),
    }
}

/// Draws an interval: a bar between two places with a cap at each end, in one stroke.
pub(super) fn interval(pen: &Pen<'_>, (x0, y0): At, (x1, y1): At, ink: Ink, width: u32) -> Drawn {
    let (dx, dy) = if x0 == x1 { (9, 0) } else { (0, 9) };
    let cap = |x: i32, y: i32| [(x, y), (x - dx, y - dy), (x + dx, y + dy), (x, y)];
    pen.line([cap(x0, y0), cap(x1, y1)].concat(), ink, width)
}
