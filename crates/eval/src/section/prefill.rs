//! Attack success by the offset of forced words (MOSA, Fig. 3).

use super::outcomes::{MEANING, OutcomeRow, outcome_bars, outcome_table};
use super::{Placed, named, offsets, shown, table};
use crate::count::distinct;
use crate::{Count, Run};
use mosa_records::View;
use mosa_report::{Axis, Block, Cell, Figure, FigureKind, Point, Series};

/// One curve: the verdicts of a judge on a run.
struct Curve<'a> {
    run: &'a Run,
    judge: &'a str,
    view: View,
    name: String,
}

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let curves = curves(runs);
    if curves.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![rates(&curves)];
    blocks.extend(scores(&curves));
    blocks.push(numbers(&curves));
    blocks.extend(outcomes(&curves));
    blocks
}

fn curves<'a>(runs: &[&'a Run]) -> Vec<Curve<'a>> {
    let mut all = Vec::new();
    for run in runs.iter().filter(|run| !offsets(run, "prefill/").is_empty()) {
        for judge in distinct(run.verdicts.iter().map(|v| v.judge.as_str())) {
            for (view, suffix) in [(View::Answer, ""), (View::WithoutForced, ", own words alone")] {
                let name = named(runs, run, &format!("{judge}{suffix}"));
                all.push(Curve { run, judge, view, name });
            }
        }
    }
    all
}

impl Curve<'_> {
    fn counts(&self) -> Vec<(usize, Count)> {
        let count = |group: &str| Count::of(&self.run.verdicts, self.judge, self.view, group);
        offsets(self.run, "prefill/").into_iter().map(|Placed { at, group }| (at, count(&group))).collect()
    }
}

fn rates(curves: &[Curve<'_>]) -> Block {
    let series = |c: &Curve<'_>| Series {
        name: c.name.clone(),
        points: c.counts().into_iter().map(|(x, n)| Point::rate(x as f64, n.success, n.assessed)).collect(),
        marks: true,
        ..Series::default()
    };
    Block::Figure(Figure {
        caption: "Attack success with words forced at an offset of the response (affirmative at 0, procedural elsewhere), judged up to \
                  the first end token behind them; and judged without the forced words. Wilson 95% intervals over assessed answers."
            .into(),
        kind: FigureKind::Lines {
            x: Axis::new("offset of the forced words"),
            y: Axis::covering("attack success, %", 0.0, 100.0),
            series: shown(curves.iter().map(series).collect()),
            shade: Some((20.0, 60.0, "MOSA's window".into())),
        },
    })
}

/// The mean score, for judges that grade from 1 to 5.
fn scores(curves: &[Curve<'_>]) -> Option<Block> {
    let graded = curves.iter().filter(|c| c.judge.starts_with("rubric"));
    let series = |c: &Curve<'_>| {
        let point = |(x, n): (usize, Count)| Some(Point::new(x as f64, n.mean_score()?));
        let points: Vec<Point> = c.counts().into_iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Series { name: c.name.clone(), points, marks: true, ..Series::default() })
    };
    let series: Vec<Series> = graded.filter_map(series).collect();
    (!series.is_empty()).then(|| {
        Block::Figure(Figure {
            caption: "Mean score from 1 (declines) to 5 (carries it out).".into(),
            kind: FigureKind::Lines {
                x: Axis::new("offset of the forced words"),
                y: Axis::covering("mean score", 1.0, 5.0),
                series: shown(series),
                shade: None,
            },
        })
    })
}

/// What the answers are, offset by offset.
fn outcomes(curves: &[Curve<'_>]) -> Vec<Block> {
    let rows = curves.iter().flat_map(|c| {
        c.counts().into_iter().map(|(offset, n)| OutcomeRow {
            labels: vec![Cell::from(c.name.clone()), Cell::Number(offset as f64, 0)],
            name: format!("{}, {offset}", c.name),
            outcomes: n.outcomes,
        })
    });
    let rows: Vec<OutcomeRow> = rows.filter(|row| row.outcomes.n() > 0).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let bars = outcome_bars("What the answers are, by the offset of the forced words.", &rows);
    let caption = format!("Words forced into the answer: what the answers are. {MEANING}");
    bars.into_iter().chain([outcome_table(&caption, &["curve", "offset"], &rows)]).collect()
}

fn numbers(curves: &[Curve<'_>]) -> Block {
    let rows = curves.iter().flat_map(|c| {
        c.counts().into_iter().map(|(offset, n)| {
            vec![
                Cell::from(c.name.clone()),
                Cell::Number(offset as f64, 0),
                Cell::Rate { k: n.success, n: n.assessed },
                Cell::Number(n.mean_score().unwrap_or(f64::NAN), 2),
                Cell::Rate { k: n.degenerate, n: n.n() },
                Cell::Rate { k: n.unassessed, n: n.n() },
            ]
        })
    });
    let header = ["curve", "offset", "attack success", "mean score", "degenerate", "unassessed"];
    table("Words forced into the answer: the numbers.", &header, rows.collect())
}
