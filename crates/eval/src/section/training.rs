//! Reward curves of alignment runs (MOSA, Fig. 7).

use super::{named, shown};
use crate::Run;
use mosa_report::{Axis, Block, Figure, FigureKind, Point, Series};
use serde_json::Value;

/// Steps that a curve is averaged over.
const SMOOTHING: usize = 20;

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let curve = |run: &&Run, value: &dyn Fn(&Value) -> Option<f64>| {
        let point = |m: &Value| Some(Point::new(m.get("step")?.as_f64()?, value(m)?));
        let points: Vec<Point> = run.metrics.iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Series::smoothed(named(runs, run, ""), &points, SMOOTHING))
    };
    let figure = |caption: &str, y: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let series = shown(runs.iter().filter_map(|run| curve(run, value)).collect());
        let x = Axis::new("step");
        let kind = FigureKind::Lines { x, y: Axis::new(y), series, shade: None };
        let empty = matches!(&kind, FigureKind::Lines { series, .. } if series.is_empty());
        (!empty).then(|| Block::Figure(Figure { caption: caption.into(), kind }))
    };
    let reward = |m: &Value| m.get("reward")?.as_f64();
    let kl = |m: &Value| m.get("reward").and(m.get("kl"))?.as_f64();
    let all = [
        figure("Window reward R of the sentences of each step, mean over 20 steps.", "R", &reward),
        figure("Divergence from the model before alignment, summed over the canvas, mean over 20 steps.", "KL", &kl),
    ];
    all.into_iter().flatten().collect()
}
