//! The laws of reports.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod answers;
mod claims;
mod figures;
mod maps;
mod page;
mod plain;
mod stacks;
mod tables;
mod viewer;
mod warnings;

use mosa_report::{Block, Report, Section};

/// A page with one section of these blocks.
fn page(blocks: Vec<Block>) -> String {
    report(blocks).html().unwrap()
}

fn report(blocks: Vec<Block>) -> Report {
    let sections = vec![Section { title: "Section".into(), blocks }];
    Report { title: "Title".into(), lead: "Lead.".into(), sections, ..Report::default() }
}

/// What stands between the first `from` and the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap() + from.len();
    let end = text[start..].find(to).unwrap();
    &text[start..start + end]
}
