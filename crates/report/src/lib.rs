//! Reports: plain data in, one self-contained HTML file out.
//!
//! Others fill a [`Report`] with [`Section`]s of [`Table`]s, [`Figure`]s, [`Claim`]s and [`Answer`]s;
//! [`Report::html`] turns it into a page that needs neither network nor script, opens from disk, and reads as well
//! in the dark and on grey paper. Nothing here knows of models or tensors, and equal data gives equal bytes.

mod answer;
mod claim;
mod draw;
mod error;
mod figure;
mod number;
mod page;
mod report;
mod table;

pub use answer::Answer;
pub use claim::{Agreement, Claim};
pub use error::ReportError;
pub use figure::{Axis, Bar, BarSeries, Figure, FigureKind, MAX_SERIES, Point, Series};
pub use report::{Block, Report, Section};
pub use table::{Cell, Table};
