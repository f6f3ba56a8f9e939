//! Tables of two models on the same items.

use super::table;
use crate::utility::{Pair, Unpaired, detectable, points};
use mosa_core::stats::holm;
use mosa_report::{Block, Cell};

/// Pairs with their tests, and what follows from them.
pub(super) fn tests(pairs: &[Pair]) -> Vec<Block> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let header = [
        "models",
        "task",
        "items",
        "only first, only second",
        "difference, points",
        "95% interval",
        "p",
        "p (Holm)",
        "least that shows",
    ];
    let caption = "Pairs of models on the same items, assessed in both, and what one alone got right: exact McNemar \
                   test, Newcombe's interval of the difference, Holm's correction over all rows. The least \
                   difference in points that shows at 5% with power 0.8 follows from the items and how often \
                   the two disagree (Connor 1987).";
    let least = |pair: &Pair| vec![Cell::Number(100.0 * detectable(pair).unwrap_or(f64::NAN), 1)];
    let follows = |pair: &Pair| {
        let models = format!("{} against {}", pair.model, pair.against);
        [models, pair.cell.clone(), pair.verdict()].map(Cell::from).into()
    };
    let verdicts =
        "What follows from the intervals. An ability is kept if its interval rules out a loss of more than 3 points.";
    vec![
        table(caption, &header, tested(pairs, least)),
        table(verdicts, &["models", "task", "verdict"], pairs.iter().map(follows).collect()),
    ]
}

/// Rows of tests with Holm's correction over them, and what `last` puts behind them.
pub(super) fn tested(pairs: &[Pair], last: impl Fn(&Pair) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    let p: Vec<f64> = pairs.iter().map(Pair::p).collect();
    let row = |(pair, (p, corrected)): (&Pair, (&f64, f64))| {
        let split = pair.outcomes.map_or("-".into(), |table| format!("{}, {}", table.first, table.second));
        let first = vec![
            Cell::from(format!("{} - {}", pair.model, pair.against)),
            Cell::from(pair.cell.as_str()),
            Cell::Number(pair.n as f64, 0),
            Cell::from(split),
            Cell::from(points(pair.difference)),
            Cell::from(format!("{} to {}", points(pair.interval.0), points(pair.interval.1))),
            Cell::Number(*p, 4),
            Cell::Number(corrected, 4),
        ];
        first.into_iter().chain(last(pair)).collect()
    };
    pairs.iter().zip(p.iter().zip(holm(&p))).map(row).collect()
}

/// What was not compared, and why.
pub(super) fn unpaired(rest: &[Unpaired]) -> Option<Block> {
    let row =
        |u: &Unpaired| vec![Cell::from(u.models.join(", ")), Cell::from(u.task.as_str()), Cell::from(u.why.as_str())];
    let caption =
        format!("Pairs of models that are not compared ({}), since they did not answer the same.", rest.len());
    (!rest.is_empty()).then(|| table(&caption, &["models", "task", "why"], rest.iter().map(row).collect()))
}
