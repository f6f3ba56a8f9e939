//! Drawings: figures turned into SVG.
//!
//! Sizes are in units of half a CSS pixel, because the drawing library rounds coordinates to whole units.

mod bars;
mod curve;
mod heat;
mod ink;
mod legend;
mod lines;
mod mark;
mod pen;
mod plot;
mod scatter;
mod span;
mod stacks;
mod words;

use crate::{Figure, FigureKind, ReportError};
use plotters::drawing::DrawingAreaErrorKind;

/// The width of every drawing.
const WIDTH: i32 = 1440;

/// A place on a drawing, counted from its upper left corner.
type At = (i32, i32);

/// What drawing comes to.
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// The figure as one `<svg>` element.
///
/// # Errors
/// [`ReportError::Malformed`] if its data do not fit together.
pub(crate) fn svg(figure: &Figure) -> Result<String, ReportError> {
    let block = || format!("figure `{}`", figure.caption);
    if let Some(what) = figure.kind.flaw() {
        return Err(ReportError::Malformed { block: block(), what });
    }
    let drawn = match &figure.kind {
        FigureKind::Lines { x, y, series, shade } => lines::Lines { x, y, series, shade: shade.as_ref() }.svg(),
        FigureKind::Bars { y, groups, series } => bars::Bars { axis: y, groups, series }.svg(),
        FigureKind::Heat { x, y, scale, values, lines } => heat::Heat { x, y, scale, values, lines }.svg(),
        FigureKind::Scatter { x, y, spots } => scatter::Scatter { x, y, spots }.svg(),
        FigureKind::Stacks { grades, x, groups, parts, counts, cut } => {
            stacks::Stacks { grades: *grades, axis: x, groups, parts, counts, cut: *cut }.svg()
        }
    };
    drawn.map_err(|e| ReportError::Drawing { block: block(), why: e.to_string() })
}
