//! A report: everything one page shows.

use crate::{Answer, Claim, Figure, ReportError, Table, page};

/// Everything one page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// One paragraph that says what was done and what came out.
    pub lead: String,
    /// Where the numbers come from: names and values such as a checkpoint, a seed, a command.
    pub provenance: Vec<(String, String)>,
    /// What a reader must know before trusting a number; shown in a box above everything else.
    pub warnings: Vec<String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

/// A part of a report with its own heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading, also its entry in the table of contents.
    pub title: String,
    /// What it shows, in order.
    pub blocks: Vec<Block>,
}

/// One thing on the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Prose; an empty line starts a new paragraph.
    Text(String),
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Figure),
    /// Published claims beside what was measured.
    Claims(Vec<Claim>),
    /// Answers, quoted.
    Answers(Vec<Answer>),
}

impl Report {
    /// The page: one HTML file that refers to nothing outside itself. All text is escaped, and the page forbids
    /// scripts and requests, so quoting an attack is safe.
    ///
    /// # Errors
    /// [`ReportError::Malformed`] if a table or a figure does not fit together: rows of different length, a rate
    /// above one, more than [`MAX_SERIES`](crate::MAX_SERIES) series.
    pub fn html(&self) -> Result<String, ReportError> {
        page::render(self)
    }
}
