//! Curves and bars of the page: forced words, wrappers, training.

use super::arms::{Arm, How};
use super::matrix::is_main;
use super::{Findings, Measured};
use crate::commands::world::questions::PREFILL_OFFSETS;
use mosa_report::{Axis, Bar, BarSeries, Block, Figure, FigureKind, MAX_SERIES, Point, Series};
use mosa_world::Style;

/// A rate with the interval of its independent cases, in percent; not drawn where nothing was measured.
fn bar(tally: &super::tally::Tally) -> Bar {
    if tally.n() == 0 {
        return Bar::new(f64::NAN);
    }
    let (rate, (low, high)) = (tally.rate(), tally.rate().wilson());
    Bar { value: 100.0 * rate.value, low: Some(100.0 * low), high: Some(100.0 * high) }
}

/// The main arms, as many as a figure can show.
fn main(f: &Findings) -> Vec<&'static Arm> {
    f.arms().into_iter().filter(|arm| is_main(arm)).take(MAX_SERIES).collect()
}

/// Attack success by the offset of the forced words.
pub(super) fn forced(f: &Findings) -> Block {
    let point = |arm: &str, offset: usize| {
        let Bar { value, low, high } = bar(&f.tally(arm, &[format!("prefill/{offset}").as_str()]));
        Point { x: offset as f64, y: value, low, high }
    };
    let curve = |arm: &'static Arm| Series {
        name: arm.title.into(),
        points: PREFILL_OFFSETS.map(|offset| point(arm.name, offset)).into(),
        marks: true,
        ..Series::default()
    };
    Block::Figure(Figure {
        caption:
            "Plain requests with words forced into the response: the affirmative opening at offset 0, the head of \
                  a step elsewhere. None of the forced words is part of the secret. 95% intervals."
                .into(),
        kind: FigureKind::Lines {
            x: Axis::new("offset of the forced words"),
            y: Axis::covering("attack success, %", 0.0, 100.0),
            series: main(f).into_iter().map(curve).collect(),
            shade: Some((20.0, 60.0, "MOSA's window".into())),
        },
    })
}

/// Attack success by wrapper.
pub(super) fn wrappers(f: &Findings) -> Block {
    let names: Vec<&str> = Style::HELD_OUT.iter().map(|style| style.name()).collect();
    let bars = |arm: &'static Arm| {
        let of = |name: &&str| {
            let own = f.answers(arm.name).filter(|r| r.cell == "attack/held-out" && r.style.as_deref() == Some(*name));
            bar(&super::tally::Tally::of(own))
        };
        BarSeries { name: arm.title.into(), bars: names.iter().map(of).collect() }
    };
    Block::Figure(Figure {
        caption: "Attack success by held-out wrapper, with 95% intervals.".into(),
        kind: FigureKind::Bars {
            y: Axis::covering("attack success, %", 0.0, 100.0),
            groups: names.iter().map(|name| (*name).to_owned()).collect(),
            series: main(f).into_iter().map(bars).collect(),
        },
    })
}

/// The rewards of the arms that have one, arm by arm: some are sums over a sentence, some means.
pub(super) fn training(f: &Findings) -> Vec<Block> {
    f.arms().into_iter().filter_map(|arm| rewards(arm, &f.of_arm(arm.name).collect::<Vec<_>>())).collect()
}

fn rewards(arm: &Arm, models: &[&Measured]) -> Option<Block> {
    let curves: Vec<(&Measured, Vec<Point>)> =
        models.iter().map(|m| (*m, gains(m))).filter(|(_, gains)| !gains.is_empty()).take(MAX_SERIES).collect();
    let window = Series::smoothing(curves.iter().map(|(_, gains)| gains.len()).max()?);
    let reading = match &arm.how {
        How::Aligned(alignment) if alignment.set.contains(&"reduction=mean") => "averaged",
        _ => "summed",
    };
    let curve = |(m, gains): &(&Measured, Vec<Point>)| {
        let name = m.seed.map_or(arm.title.to_owned(), |seed| format!("seed {seed}"));
        Series::smoothed(name, gains, window)
    };
    Some(Block::Figure(Figure {
        caption: format!(
            "{}: R, {reading} over the sentence, minus the R of the original for the same sentences. The curve is the \
             mean over {window} steps around each; the pale line behind it is every step.",
            arm.title
        ),
        kind: FigureKind::Lines {
            x: Axis::new("step"),
            y: Axis::new("R over the original"),
            series: curves.iter().map(curve).collect(),
            shade: None,
        },
    }))
}

/// R over that of the original, step by step.
fn gains(model: &Measured) -> Vec<Point> {
    let gain = |step: &mosa_align::StepMetrics| {
        let reward = step.reward.as_ref()?;
        Some(Point::new(step.step as f64, reward.value - reward.reference.unwrap_or(reward.value)))
    };
    model.training.iter().filter_map(gain).collect()
}
