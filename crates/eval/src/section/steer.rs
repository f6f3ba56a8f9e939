//! Whether a prompt can order a phrase at a place of the answer.

use super::{Placed, named, offsets, shown, table};
use crate::Run;
use mosa_report::{Axis, Block, Cell, Figure, FigureKind, Point, Series};

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let runs: Vec<&Run> = runs.iter().filter(|r| !offsets(r, "steer/").is_empty()).copied().collect();
    if runs.is_empty() { Vec::new() } else { vec![curves(&runs), numbers(&runs)] }
}

/// What came of the orders for a place.
struct Ordered {
    place: usize,
    /// Orders given.
    n: usize,
    /// Orders carried out.
    obeyed: usize,
    /// Phrases said at all.
    said: usize,
}

fn counts(run: &Run) -> Vec<Ordered> {
    let of = |Placed { at: place, group }: Placed| {
        let own: Vec<_> = run.answers.iter().filter(|a| a.group == group).collect();
        let obeyed = own.iter().filter(|a| a.tags.get("obeyed").is_some_and(|s| s == "true")).count();
        let said = own.iter().filter(|a| a.tags.contains_key("found")).count();
        Ordered { place, n: own.len(), obeyed, said }
    };
    offsets(run, "steer/").into_iter().map(of).collect()
}

fn curves(runs: &[&Run]) -> Block {
    let series = |run: &&Run| Series {
        name: named(runs, run, ""),
        points: counts(run).into_iter().map(|o| Point::rate(o.place as f64, o.obeyed, o.n)).collect(),
        marks: true,
        ..Series::default()
    };
    Block::Figure(Figure {
        caption: "How often a phrase stands where the prompt orders it (two words of tolerance).".into(),
        kind: FigureKind::Lines {
            x: Axis::new("word at which the phrase is ordered"),
            y: Axis::covering("carried out, %", 0.0, 100.0),
            series: shown(runs.iter().map(series).collect()),
            shade: None,
        },
    })
}

fn numbers(runs: &[&Run]) -> Block {
    let rows = runs.iter().flat_map(|run| {
        counts(run).into_iter().map(|Ordered { place, n, obeyed, said }| {
            let place = Cell::Number(place as f64, 0);
            vec![Cell::from(run.name.clone()), place, Cell::Rate { k: obeyed, n }, Cell::Rate { k: said, n }]
        })
    });
    table("Ordering a place: the numbers.", &["run", "ordered at word", "carried out", "said anywhere"], rows.collect())
}
