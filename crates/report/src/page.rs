//! The page: what the template sees of a report.

use crate::answer::Piece;
use crate::{Block, Report, ReportError, Section, Table, claim, draw};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

/// The name ends in `.html`, which turns escaping on.
const TEMPLATE: &str = "report.html";

#[derive(Serialize)]
struct Part<'a> {
    title: &'a str,
    blocks: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Item<'a> {
    Text { paragraphs: Vec<&'a str> },
    Table { number: usize, caption: &'a str, header: Vec<Entry>, rows: Vec<Vec<Entry>> },
    Figure { number: usize, caption: &'a str, svg: String },
    Claims { tally: String, claims: Vec<Verdict<'a>> },
    Answers { answers: Vec<Quote<'a>> },
}

/// A cell as it is shown.
#[derive(Serialize)]
struct Entry {
    text: String,
    quantity: bool,
}

#[derive(Serialize)]
struct Verdict<'a> {
    what: &'a str,
    paper: &'a str,
    measured: &'a str,
    verdict: &'static str,
    class: &'static str,
}

#[derive(Serialize)]
struct Quote<'a> {
    title: &'a str,
    prompt: &'a str,
    pieces: Vec<Piece>,
    harmful: bool,
}

/// Numbers figures and tables in the order of the page.
#[derive(Default)]
struct Counter {
    tables: usize,
    figures: usize,
}

pub(crate) fn render(report: &Report) -> Result<String, ReportError> {
    let mut counter = Counter::default();
    let sections = report.sections.iter().map(|s| counter.part(s)).collect::<Result<Vec<_>, _>>()?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("report.css", include_str!("report.css"))?;
    environment.add_template(TEMPLATE, include_str!("report.html.jinja"))?;
    let scope = context! {
        title => &report.title,
        lead => &report.lead,
        provenance => Serde(&report.provenance),
        warnings => Serde(&report.warnings),
        sections => Serde(&sections),
    };
    Ok(environment.get_template(TEMPLATE)?.render(scope)?)
}

impl Counter {
    fn part<'a>(&mut self, section: &'a Section) -> Result<Part<'a>, ReportError> {
        let blocks = section.blocks.iter().map(|b| self.item(b)).collect::<Result<_, _>>()?;
        Ok(Part { title: &section.title, blocks })
    }

    fn item<'a>(&mut self, block: &'a Block) -> Result<Item<'a>, ReportError> {
        Ok(match block {
            Block::Text(text) => {
                let paragraphs = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()).collect();
                Item::Text { paragraphs }
            }
            Block::Table(table) => {
                self.tables += 1;
                item_of_table(table, self.tables)?
            }
            Block::Figure(figure) => {
                self.figures += 1;
                Item::Figure { number: self.figures, caption: &figure.caption, svg: draw::svg(figure)? }
            }
            Block::Claims(claims) => {
                Item::Claims { tally: claim::tally(claims), claims: claims.iter().map(Verdict::from).collect() }
            }
            Block::Answers(answers) => Item::Answers { answers: answers.iter().map(Quote::from).collect() },
        })
    }
}

fn item_of_table(table: &Table, number: usize) -> Result<Item<'_>, ReportError> {
    if let Some(what) = table.flaw() {
        return Err(ReportError::Malformed { block: format!("table `{}`", table.caption), what });
    }
    let header = table.header.iter().enumerate();
    let header = header.map(|(i, name)| Entry { text: name.clone(), quantity: table.is_quantity(i) }).collect();
    let entry = |cell: &crate::Cell| Entry { text: cell.shown(), quantity: cell.is_quantity() };
    let rows = table.rows.iter().map(|row| row.iter().map(entry).collect()).collect();
    Ok(Item::Table { number, caption: &table.caption, header, rows })
}

impl<'a> From<&'a crate::Claim> for Verdict<'a> {
    fn from(claim: &'a crate::Claim) -> Self {
        let crate::Claim { what, paper, measured, verdict } = claim;
        Self { what, paper, measured, verdict: verdict.text(), class: verdict.class() }
    }
}

impl<'a> From<&'a crate::Answer> for Quote<'a> {
    fn from(answer: &'a crate::Answer) -> Self {
        Self { title: &answer.title, prompt: &answer.prompt, pieces: answer.pieces(), harmful: answer.harmful }
    }
}
