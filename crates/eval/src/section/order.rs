//! In which order answers are revealed (MOSA, Fig. 5).

use super::{named, shown, table};
use crate::Run;
use crate::count::distinct;
use mosa_core::stats::{kendall_tau_b, pearson};
use mosa_records::OrderRecord;
use mosa_report::{Axis, Block, Cell, Figure, FigureKind, Point, Series};

/// Heat maps on one page.
const MAPS: usize = 4;

/// Answers to prompts of one kind in one run.
struct Group<'a> {
    name: String,
    orders: Vec<&'a OrderRecord>,
}

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let mut groups = Vec::new();
    for run in runs {
        for kind in distinct(run.orders.iter().map(|o| o.group.as_str())) {
            let orders = run.orders.iter().filter(|o| o.group == kind).collect();
            groups.push(Group { name: named(runs, run, kind), orders });
        }
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![means(&groups), numbers(&groups)];
    blocks.extend(groups.iter().take(MAPS).map(map));
    blocks
}

impl Group<'_> {
    fn steps(&self) -> usize {
        self.orders.iter().map(|o| o.words.len()).max().unwrap_or(0)
    }

    /// Mean position of the words revealed at each step.
    fn line(&self) -> Series {
        let point = |step: usize| {
            let at: Vec<f64> =
                self.orders.iter().flat_map(|o| o.words.get(step).into_iter().flatten()).map(|&p| p as f64).collect();
            (!at.is_empty()).then(|| Point::new(step as f64 + 0.5, at.iter().sum::<f64>() / at.len() as f64))
        };
        Series {
            name: self.name.clone(),
            points: (0..self.steps()).filter_map(point).collect(),
            marks: false,
            ..Series::default()
        }
    }

    fn mean(&self, f: impl Fn(&[(f64, f64)]) -> Option<f64>) -> f64 {
        let all: Vec<f64> = self.orders.iter().filter_map(|o| f(&o.pairs())).filter(|r| r.is_finite()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }
}

fn means(groups: &[Group<'_>]) -> Block {
    Block::Figure(Figure {
        caption: "Mean response offset of the words revealed at each step; end tokens apart. A straight rising line is an answer \
                  written from left to right."
            .into(),
        kind: FigureKind::Lines {
            x: Axis::new("step"),
            y: Axis::new("mean response offset"),
            series: shown(groups.iter().map(Group::line).collect()),
            shade: None,
        },
    })
}

fn numbers(groups: &[Group<'_>]) -> Block {
    let rows = groups.iter().map(|g| {
        vec![
            Cell::from(g.name.clone()),
            Cell::Number(g.orders.len() as f64, 0),
            Cell::Number(g.mean(pearson), 3),
            Cell::Number(g.mean(kendall_tau_b), 3),
        ]
    });
    let header = ["prompts", "answers", "correlation of step and offset", "Kendall's tau"];
    table("How sequential answers are: means over answers, words only.", &header, rows.collect())
}

/// Which share of the answers reveals a word at a position in a step.
fn map(group: &Group<'_>) -> Block {
    let length = group.orders.iter().map(|o| o.length).max().unwrap_or(0);
    let steps = group.steps();
    let mut values = vec![vec![0.0; steps]; length];
    for order in &group.orders {
        for (step, at) in order.words.iter().enumerate() {
            for &p in at.iter().filter(|p| **p < length) {
                values[p][step] += 100.0 / group.orders.len() as f64;
            }
        }
    }
    Block::Figure(Figure {
        caption: format!(
            "{}: share of answers that reveal a word at this place in this step, and the mean place.",
            group.name
        ),
        kind: FigureKind::Heat {
            x: Axis::covering("step", 0.0, steps as f64),
            y: Axis::covering("response offset", 0.0, length as f64),
            scale: Axis::new("% of answers"),
            values,
            lines: vec![Series { name: "mean".into(), ..group.line() }],
        },
    })
}
