//! What answers are: complied, refused in words, broke off, no language, as a table and as bars.

use super::table;
use mosa_records::Outcomes;
use mosa_report::{Axis, Block, Cell, Figure, FigureKind};

/// Bars that one figure holds.
const BARS: usize = 24;

/// What all captions say of the outcomes.
pub(super) const MEANING: &str = "Complied is a success by the judge; refused in words declines and says so; broke off \
    neither declines nor says anything; no language is repetition or noise. Other, where there is any, is language with \
    content that does neither; no answer, where there is any, is an attack that ended without one to submit.";

/// The answers of one row, with what stands before them.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRow {
    /// One cell for every name of [`outcome_table`].
    pub labels: Vec<Cell>,
    /// What its bar is called.
    pub name: String,
    /// What the assessed answers are.
    pub outcomes: Outcomes,
}

/// Counts with Wilson 95% intervals: the columns in `names`, then the four outcomes and what else came up.
pub fn outcome_table(caption: &str, names: &[&str], rows: &[OutcomeRow]) -> Block {
    let drawn = Outcomes::drawn(rows.iter().map(|row| &row.outcomes));
    let header: Vec<&str> = names.iter().copied().chain(drawn.iter().map(|at| Outcomes::NAMES[*at])).collect();
    let row = |row: &OutcomeRow| {
        let (counts, n) = (row.outcomes.counts(), row.outcomes.n());
        let rates = drawn.iter().map(|at| Cell::Rate { k: counts[*at], n });
        row.labels.iter().cloned().chain(rates).collect()
    };
    table(caption, &header, rows.iter().map(row).collect())
}

/// The same as bars that add up to 100%, the first of the rows; none without any answer.
pub fn outcome_bars(caption: &str, rows: &[OutcomeRow]) -> Option<Block> {
    let drawn = Outcomes::drawn(rows.iter().map(|row| &row.outcomes));
    let counted: Vec<&OutcomeRow> = rows.iter().filter(|row| row.outcomes.n() > 0).collect();
    let more = match counted.len() > BARS {
        true => format!(" The first {BARS} of {}.", counted.len()),
        false => String::new(),
    };
    let shown = &counted[..counted.len().min(BARS)];
    (!shown.is_empty()).then(|| {
        Block::Figure(Figure {
            caption: format!("{caption}{more}"),
            kind: FigureKind::Stacks {
                grades: false,
                x: Axis::new("% of assessed answers"),
                groups: shown.iter().map(|row| row.name.clone()).collect(),
                parts: drawn.iter().map(|at| Outcomes::NAMES[*at].to_owned()).collect(),
                counts: shown.iter().map(|row| drawn.iter().map(|at| row.outcomes.counts()[*at]).collect()).collect(),
                cut: Some(1),
            },
        })
    })
}
