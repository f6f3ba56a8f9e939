//! Reward curves of alignment runs (MOSA, Fig. 7).

use super::{named, shown};
use crate::Run;
use mosa_report::{Axis, Block, Figure, FigureKind, Point, Series};
use serde_json::Value;

/// What captions say of the curves.
const SMOOTHED: &str = "Each curve is the mean over the steps around each, about 5% of all; the pale line behind it is every \
    step.";

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let curve = |run: &&Run, value: &dyn Fn(&Value) -> Option<f64>| {
        let point = |m: &Value| Some(Point::new(m.get("step")?.as_f64()?, value(m)?));
        let points: Vec<Point> = run.metrics.iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Series::smoothed(named(runs, run, ""), &points, Series::smoothing(points.len())))
    };
    let figure = |caption: &str, y: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let series = shown(runs.iter().filter_map(|run| curve(run, value)).collect());
        let x = Axis::new("step");
        let kind = FigureKind::Lines { x, y: Axis::new(y), series, shade: None };
        let empty = matches!(&kind, FigureKind::Lines { series, .. } if series.is_empty());
        let caption = format!("{caption} {SMOOTHED}");
        (!empty).then_some(Block::Figure(Figure { caption, kind }))
    };
    let reward = |m: &Value| m.get("reward")?.as_f64();
    let kl = |m: &Value| m.get("reward").and(m.get("kl"))?.as_f64();
    let all = [
        figure("Window reward R of the sentences of each step.", "R", &reward),
        figure("Divergence from the model before alignment, summed over the canvas.", "KL", &kl),
    ];
    all.into_iter().flatten().collect()
}
