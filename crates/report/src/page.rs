//! The page: what the template sees of a report.

use crate::answer::Piece;
use crate::parts::{Key, Stripe, legend};
use crate::{Block, Cell, Front, Report, ReportError, Section, Table, Viewer, claim, draw, script};
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
    Table { number: usize, caption: &'a str, header: Vec<Entry>, rows: Vec<Vec<Entry>>, legend: Vec<Key> },
    Figure { number: usize, caption: &'a str, svg: String },
    Claims { tally: String, claims: Vec<Verdict<'a>> },
    Answers { answers: Vec<Quote> },
    Viewer { number: usize, records: Vec<script::Record<'a>>, answers: Vec<Quote> },
}

/// A cell as it is shown.
#[derive(Serialize)]
struct Entry {
    text: String,
    /// The class of the style sheet: `quantity`, or that of a verdict.
    class: &'static str,
    stripe: Option<Stripe>,
}

/// The front of the page.
#[derive(Serialize)]
struct First<'a> {
    block: Item<'a>,
    lines: Vec<Line<'a>>,
}

/// A line that counts verdicts, and the number of the section it leads to.
#[derive(Serialize)]
struct Line<'a> {
    about: &'a str,
    section: Option<usize>,
    counts: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct Verdict<'a> {
    what: &'a str,
    paper: &'a str,
    measured: &'a str,
    rule: &'a str,
    verdict: &'static str,
    class: &'static str,
}

#[derive(Serialize)]
struct Quote {
    title: String,
    prompt: String,
    pieces: Vec<Piece>,
    harmful: bool,
}

/// Numbers tables, figures and viewers in the order of the page.
#[derive(Default)]
struct Counter {
    tables: usize,
    figures: usize,
    viewers: usize,
}

impl Report {
    /// The page: one HTML file that refers to nothing outside itself. All text is escaped, and the page forbids
    /// requests and scripts (but the viewer's own, by its hash, where there is a viewer), so quoting an attack is safe.
    ///
    /// # Errors
    /// [`ReportError::Malformed`] if a table or a figure does not fit together: rows of different length, a rate
    /// above one, more than [`MAX_SERIES`](crate::MAX_SERIES) series.
    pub fn html(&self) -> Result<String, ReportError> {
        render(self)
    }
}

fn render(report: &Report) -> Result<String, ReportError> {
    let mut counter = Counter::default();
    let front = report.front.as_ref().map(|front| counter.first(front, &report.sections)).transpose()?;
    let sections = report.sections.iter().map(|s| counter.part(s)).collect::<Result<Vec<_>, _>>()?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("report.css", include_str!("report.css"))?;
    environment.add_template("block.html", include_str!("block.html.jinja"))?;
    environment.add_template("viewer.html", include_str!("viewer.html.jinja"))?;
    environment.add_template(TEMPLATE, include_str!("report.html.jinja"))?;
    let scripted = counter.viewers > 0;
    let scope = context! {
        policy => script::policy(scripted),
        script => scripted.then(script::text),
        title => &report.title,
        lead => &report.lead,
        front => Serde(&front),
        provenance => Serde(&report.provenance),
        digest => &report.digest,
        exports => &report.exports,
        warnings => Serde(&report.warnings),
        sections => Serde(&sections),
    };
    Ok(environment.get_template(TEMPLATE)?.render(scope)?)
}

impl Counter {
    fn first<'a>(&mut self, front: &'a Front, sections: &[Section]) -> Result<First<'a>, ReportError> {
        let lines = front.verdicts.iter().map(|line| {
            let counts = claim::counted(line.verdicts.iter().copied());
            let named =
                |(verdict, said): (crate::Agreement, String)| (verdict.class(), format!("{} {said}", verdict.sign()));
            Line {
                about: &line.about,
                section: sections.iter().position(|s| s.title == line.section).map(|at| at + 1),
                counts: counts.map(named).into(),
            }
        });
        Ok(First { block: self.item(&front.block)?, lines: lines.collect() })
    }

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
            Block::Viewer(viewer) => self.item_of_viewer(viewer),
        })
    }

    /// A viewer; without answers it is an empty list of quotes and needs no script.
    fn item_of_viewer<'a>(&mut self, viewer: &'a Viewer) -> Item<'a> {
        let answers: Vec<_> = viewer.answers.iter().map(|played| Quote::from(&played.quote())).collect();
        if answers.is_empty() {
            return Item::Answers { answers };
        }
        self.viewers += 1;
        Item::Viewer { number: self.viewers, records: script::records(viewer), answers }
    }
}

fn item_of_table(table: &Table, number: usize) -> Result<Item<'_>, ReportError> {
    if let Some(what) = table.flaw() {
        return Err(ReportError::Malformed { block: format!("table `{}`", table.caption), what });
    }
    let header = table.header.iter().enumerate();
    let class = |quantity: bool| if quantity { "quantity" } else { "" };
    let header = header.map(|(i, name)| Entry { text: name.clone(), class: class(table.is_quantity(i)), stripe: None });
    let rows = table.rows.iter().map(|row| row.iter().map(Entry::from).collect()).collect();
    let legend = legend(table.rows.iter().flatten().filter_map(Cell::parts));
    Ok(Item::Table { number, caption: &table.caption, header: header.collect(), rows, legend })
}

impl From<&Cell> for Entry {
    fn from(cell: &Cell) -> Self {
        let class = match cell {
            Cell::Verdict(verdict, _) => verdict.class(),
            cell if cell.is_quantity() => "quantity",
            _ => "",
        };
        Self { text: cell.shown(), class, stripe: cell.parts().and_then(crate::Parts::stripe) }
    }
}

impl<'a> From<&'a crate::Claim> for Verdict<'a> {
    fn from(claim: &'a crate::Claim) -> Self {
        let crate::Claim { what, paper, measured, rule, verdict } = claim;
        Self { what, paper, measured, rule, verdict: verdict.text(), class: verdict.class() }
    }
}

impl From<&crate::Answer> for Quote {
    fn from(answer: &crate::Answer) -> Self {
        let crate::Answer { title, prompt, harmful, .. } = answer;
        Self { title: title.clone(), prompt: prompt.clone(), pieces: answer.pieces(), harmful: *harmful }
    }
}
