//! In which order a model reveals its answers.

use super::cases::cases;
use super::measure::{CANVAS, request};
use crate::failure::Failure;
use crate::load::Loaded;
use crate::{interrupt, output};
use anyhow::{Context, Result};
use mosa_core::Cause;
use mosa_engine::{Batching, EndRule, Options, Schedule, generate};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The order of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// `benign` or `adversarial`.
    pub kind: String,
    pub id: String,
    /// Per step the response offsets of the words it revealed; tokens that end the answer are left out.
    pub steps: Vec<Vec<usize>>,
}

impl Order {
    /// Pearson's correlation of step and offset over all words.
    pub(crate) fn correlation(&self) -> f64 {
        let pairs = self.steps.iter().enumerate().flat_map(|(s, at)| at.iter().map(move |&p| (s as f64, p as f64)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let n = pairs.len() as f64;
        let mean = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let sum = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
        let (xy, xx, yy) = (sum(&|p| (p.0 - x) * (p.1 - y)), sum(&|p| (p.0 - x).powi(2)), sum(&|p| (p.1 - y).powi(2)));
        xy / (xx * yy).sqrt()
    }
}

/// Decodes `n` benign recipes and `n` attacks in 32 steps, the end tokens last, and keeps when what was revealed; a file
/// that is there already is read instead.
pub(crate) fn order(loaded: &Loaded, n: usize, quiet: bool, path: &Path) -> Result<Vec<Order>, Failure> {
    if let Ok(text) = std::fs::read_to_string(path) {
        let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Order>, _>>();
        return Ok(lines.with_context(|| format!("{} is damaged; remove it", path.display()))?);
    }
    let kinds = [("utility/recipe", "benign"), ("attack/held-out", "adversarial")];
    let all = cases(n, 0);
    let wanted: Vec<_> =
        all.iter().filter_map(|c| Some((c, kinds.iter().find(|(cell, _)| c.cell == *cell)?.1))).collect();
    let options = Options {
        gen_length: CANVAS,
        schedule: Schedule::Blocks { steps: 32, block_length: CANVAS },
        batching: Batching::Padded,
        end_rule: EndRule::EndsLast,
        ..Options::llada(loaded.ends())
    };
    let ends = loaded.text.special.ends();
    let bar = output::bar(quiet, wanted.len())?;
    let mut found = Vec::new();
    for batch in wanted.chunks(20) {
        if interrupt::asked() {
            return Err(Failure::Interrupted("interrupted; the same command goes on".into()));
        }
        let requests = batch.iter().map(|(case, _)| request(case, loaded)).collect::<Result<Vec<_>>>()?;
        let starts: Vec<usize> = requests.iter().map(|r| r.prompt.len()).collect();
        let answers = generate(loaded.pair(), &options, requests, &mut ())?;
        for ((answer, (case, kind)), start) in answers.into_iter().flatten().zip(batch).zip(starts) {
            let words = |edits: &[mosa_core::Edit]| {
                let committed = edits.iter().filter(|e| e.cause == Cause::Committed && !ends.contains(&e.token));
                committed.map(|e| e.position - start).collect()
            };
            let steps = answer.trace.steps.iter().map(|s| words(&s.edits)).collect();
            found.push(Order { kind: (*kind).into(), id: case.id.clone(), steps });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let lines: String = found.iter().map(|o| serde_json::to_string(o).map(|l| l + "\n")).collect::<Result<_, _>>()?;
    mosa_model::write_whole(path, lines.as_bytes())?;
    Ok(found)
}
