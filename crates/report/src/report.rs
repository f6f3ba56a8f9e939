//! A report: everything one page shows.

use crate::{Agreement, Answer, Claim, Figure, Table, Viewer};

/// Everything one page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// One paragraph that says what was done and what came out.
    pub lead: String,
    /// What is to be seen first, before warnings and contents.
    pub front: Option<Front>,
    /// Where the numbers come from: names and values such as a checkpoint, a seed, a command.
    pub provenance: Vec<(String, String)>,
    /// The SHA-256 of the records the report was made from, so that a page shows which ones; changing or leaving out
    /// one of them changes the page.
    pub digest: Option<String>,
    /// The folder that holds the tables as files, if they were written.
    pub exports: Option<String>,
    /// What a reader must know before trusting a number: in a box above the contents, which is folded to its count
    /// where there is a front.
    pub warnings: Vec<String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

/// The one table or figure that makes the argument, on the first screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// The table or figure.
    pub block: Block,
    /// What came of the verdicts of the page, a line for each kind of them.
    pub verdicts: Vec<Verdicts>,
}

/// Verdicts of one kind, to be counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdicts {
    /// What they are about.
    pub about: String,
    /// The title of the section they stand in; a line whose section is missing leads nowhere.
    pub section: String,
    /// The verdicts.
    pub verdicts: Vec<Agreement>,
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
    /// Answers to step through.
    Viewer(Viewer),
}

/// A table and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableOnPage<'a> {
    /// The title of its section.
    pub section: &'a str,
    /// Its number on the page, from 1.
    pub number: usize,
    /// The table.
    pub table: &'a Table,
}

impl Report {
    /// The tables and where they stand, to be written as files; one at the front is in a section called as the report.
    pub fn tables(&self) -> impl Iterator<Item = TableOnPage<'_>> {
        let front = self.front.iter().map(|front| (self.title.as_str(), &front.block));
        let blocks = front.chain(self.sections.iter().flat_map(|s| s.blocks.iter().map(|b| (s.title.as_str(), b))));
        let tables = blocks.filter_map(|(title, block)| match block {
            Block::Table(table) => Some((title, table)),
            _ => None,
        });
        tables.zip(1..).map(|((section, table), number)| TableOnPage { section, number, table })
    }
}
