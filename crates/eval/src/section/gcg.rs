//! Suffix search: loss by iteration and hits by offset (MOSA, Fig. 4).

use super::{Placed, named, offsets, shown, table};
use crate::Run;
use mosa_records::{AnswerRecord, CurveRecord};
use mosa_report::{Axis, Block, Cell, Figure, FigureKind, Point, Series};

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let runs: Vec<&Run> = runs.iter().filter(|r| !r.curves.is_empty()).copied().collect();
    if runs.is_empty() { Vec::new() } else { vec![losses(&runs), hits(&runs)] }
}

fn own<'a>(run: &'a Run, group: &'a str) -> impl Iterator<Item = &'a CurveRecord> {
    run.curves.iter().filter(move |c| c.group == group)
}

fn groups(run: &Run) -> Vec<&str> {
    crate::count::distinct(run.curves.iter().map(|c| c.group.as_str()))
}

/// The place of a group's phrase.
fn place(group: &str) -> &str {
    group.rsplit('/').next().unwrap_or(group)
}

fn losses(runs: &[&Run]) -> Block {
    let mut series = Vec::new();
    for run in runs {
        for group in groups(run) {
            let last = own(run, group).map(|c| c.iteration).max().unwrap_or(0);
            let point = |i: usize| {
                let at: Vec<f64> = own(run, group).filter(|c| c.iteration == i).map(|c| f64::from(c.loss)).collect();
                (!at.is_empty()).then(|| Point::new(i as f64, at.iter().sum::<f64>() / at.len() as f64))
            };
            let points = (0..=last).filter_map(point).collect();
            series.push(Series {
                name: named(runs, run, &format!("offset {}", place(group))),
                points,
                marks: false,
                ..Series::default()
            });
        }
    }
    Block::Figure(Figure {
        caption: "Mean cross-entropy of the target phrase under the present suffix, by iteration of the search.".into(),
        kind: FigureKind::Lines {
            x: Axis::new("iteration"),
            y: Axis::covering("loss, nats per token", 0.0, 1.0),
            series: shown(series),
            shade: None,
        },
    })
}

fn hits(runs: &[&Run]) -> Block {
    let mut rows = Vec::new();
    for run in runs {
        for Placed { at: offset, group } in offsets(run, "gcg/") {
            let answers: Vec<&AnswerRecord> = run.answers.iter().filter(|a| a.group == group).collect();
            let k = answers.iter().filter(|a| a.tags.get("success").is_some_and(|s| s == "true")).count();
            let mean = |pick: &dyn Fn(&[&CurveRecord]) -> Option<f32>| {
                let of = |a: &&AnswerRecord| pick(&own(run, &group).filter(|c| c.id == a.id).collect::<Vec<_>>());
                let all: Vec<f64> = answers.iter().filter_map(of).map(f64::from).collect();
                all.iter().sum::<f64>() / all.len() as f64
            };
            rows.push(vec![
                Cell::from(run.name.clone()),
                Cell::Number(offset as f64, 0),
                Cell::Rate { k, n: answers.len() },
                Cell::Number(mean(&|c| Some(c.first()?.loss)), 2),
                Cell::Number(mean(&|c| Some(c.last()?.best_loss)), 2),
            ]);
        }
    }
    let header = ["run", "offset", "phrase appears when decoded", "loss before", "lowest loss"];
    table("Suffix search: hits by offset of the phrase.", &header, rows)
}
