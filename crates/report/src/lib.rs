//! Reports: plain data in, one self-contained HTML file out.
//!
//! Others fill a [`Report`] with [`Section`]s of [`Table`]s, [`Figure`]s, [`Claim`]s, [`Answer`]s and a [`Viewer`];
//! [`Report::html`] turns it into a page that needs no network (and a script only to step through a viewer), opens from
//! disk, and reads as well in the dark and on grey paper. [`Report::tables`] gives what goes into files, [`warnings`]
//! what a reader must know of small or broken samples. Nothing here knows of models or tensors, and equal data gives
//! equal bytes.

mod answer;
mod claim;
mod draw;
mod error;
mod figure;
mod fixed;
mod latex;
mod number;
mod page;
mod parts;
pub mod plain;
mod report;
mod script;
mod table;
mod viewer;
mod warning;

pub use answer::Answer;
pub use claim::{Agreement, Claim};
pub use error::ReportError;
pub use figure::{Axis, Bar, BarSeries, Figure, FigureKind, MAX_SERIES, Point, Series, Spot};
pub use parts::{MAX_PARTS, Parts};
pub use report::{Block, Front, Report, Section, TableOnPage, Verdicts};
pub use table::{Cell, Table};
pub use viewer::{Played, PlayedToken, Viewer};
pub use warning::{CellStats, warnings};
