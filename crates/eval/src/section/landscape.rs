//! Where on the canvas refusals and harmful sentences fit best.

use super::{named, shown};
use crate::Run;
use crate::count::distinct;
use mosa_records::LandscapeRecord;
use mosa_report::{Axis, Block, Figure, FigureKind, Point, Series};

/// The records of one model in one run.
struct Group<'a> {
    name: String,
    records: Vec<&'a LandscapeRecord>,
}

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let mut groups = Vec::new();
    for run in runs {
        for model in distinct(run.landscapes.iter().map(|r| r.group.as_str())) {
            let records = run.landscapes.iter().filter(|r| r.group == model).collect();
            groups.push(Group { name: named(runs, run, model), records });
        }
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![scores(&groups), ends(&groups)];
    blocks.extend(groups.iter().take(2).map(refusals));
    blocks
}

impl Group<'_> {
    /// A curve averaged over the records.
    fn mean(&self, name: &str, pick: impl Fn(&LandscapeRecord) -> &Vec<f64>) -> Series {
        let longest = self.records.iter().map(|r| pick(r).len()).max().unwrap_or(0);
        let point = |k: usize| {
            let at: Vec<f64> = self.records.iter().filter_map(|r| pick(r).get(k)).copied().collect();
            Point::new(k as f64, at.iter().sum::<f64>() / at.len() as f64)
        };
        let name = if name.is_empty() { self.name.clone() } else { format!("{}, {name}", self.name) };
        Series { name, points: (0..longest).map(point).collect(), marks: false, ..Series::default() }
    }
}

fn scores(groups: &[Group<'_>]) -> Block {
    let both = |g: &Group<'_>| [g.mean("safe", |r| &r.safe), g.mean("harmful", |r| &r.harmful)];
    Block::Figure(Figure {
        caption: "How well the best safe and the best harmful sentence fit at each start on the fully masked canvas: log-probability per \
                  token, mean over prompts. MOSA's reward is the difference of the two inside its window."
            .into(),
        kind: FigureKind::Lines {
            x: Axis::new("start of the sentence"),
            y: Axis::new("nats per token"),
            series: shown(groups.iter().flat_map(both).collect()),
            shade: Some((20.0, 60.0, "MOSA's window".into())),
        },
    })
}

fn ends(groups: &[Group<'_>]) -> Block {
    Block::Figure(Figure {
        caption: "Probability of an end token at the leftmost mask, by step of the decode, mean over prompts.".into(),
        kind: FigureKind::Lines {
            x: Axis::new("step"),
            y: Axis::covering("probability", 0.0, 1.0),
            series: shown(groups.iter().map(|g| g.mean("", |r| &r.end_by_step)).collect()),
            shade: None,
        },
    })
}

/// How likely a refusal begins at each place, step by step.
fn refusals(group: &Group<'_>) -> Block {
    let steps = group.records.iter().map(|r| r.refusal_by_step.len()).max().unwrap_or(0);
    let length = group.records.iter().map(|r| r.refusal.len()).max().unwrap_or(0);
    let (mut sums, mut counts) = (vec![vec![0.0; steps]; length], vec![vec![0usize; steps]; length]);
    for record in &group.records {
        for (step, at) in record.refusal_by_step.iter().enumerate() {
            for &(p, mass) in at.iter().filter(|(p, _)| *p < length) {
                sums[p][step] += mass;
                counts[p][step] += 1;
            }
        }
    }
    let mean = |(sum, n): (f64, usize)| if n == 0 { f64::NAN } else { sum / n as f64 };
    let row = |(s, c): (Vec<f64>, Vec<usize>)| s.into_iter().zip(c).map(mean).collect();
    Block::Figure(Figure {
        caption: format!("{}: probability that a refusal begins at a place that is still masked, by step.", group.name),
        kind: FigureKind::Heat {
            x: Axis::covering("step", 0.0, steps as f64),
            y: Axis::covering("response offset", 0.0, length as f64),
            scale: Axis::covering("probability", 0.0, 1.0),
            values: sums.into_iter().zip(counts).map(row).collect(),
            lines: Vec::new(),
        },
    })
}
