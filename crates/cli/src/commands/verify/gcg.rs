//! Losses and gradients of suffix searches.

use super::golden::GcgEntry;
use super::{Check, Folder, distance};
use anyhow::{Context, Result};
use mosa_core::TokenId;
use mosa_model::{Adapted, Transformer};
use mosa_probe::gcg::{GcgSettings, Goal, TargetLikelihood, TargetLoss};

const LOSS: f64 = 1e-4;
const GRADIENT: f64 = 2e-4;

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for e in &folder.golden.gcg {
        let entry = format!("gcg.{}", e.name);
        checks.extend(entry_checks(folder, model, e, &entry).with_context(|| entry.clone())?);
    }
    Ok(checks)
}

fn entry_checks(folder: &Folder, model: &Transformer, e: &GcgEntry, entry: &str) -> Result<Vec<Check>> {
    let goal = Goal {
        id: e.name.clone(),
        prompt: e.prompt.clone(),
        suffix: e.suffix.0..e.suffix.1,
        target: e.target.clone(),
        offset: e.offset,
        gen_length: e.gen_length,
    };
    let s = GcgSettings::default();
    let loss =
        TargetLoss::new(Adapted { model, adapter: None }, &goal, TargetLikelihood::FirstStep, s.seed, s.rows_per_pass)?;
    let found = loss.gradient(goal.first_suffix())?;
    let mut checks = vec![Check::within(entry, "loss", (found.loss - e.loss).abs(), LOSS)];
    if let Some(name) = &e.grad {
        checks.push(Check::within(entry, "gradient", distance(&found.one_hot, &folder.tensor(name)?)?, GRADIENT));
    }
    let suffixes = e.candidates.iter().map(|&c| substituted(&goal, c)).collect::<Result<Vec<_>>>()?;
    let losses = loss.losses(&suffixes)?;
    let differences = losses.iter().zip(&e.candidate_losses).map(|(a, b)| (a - b).abs());
    let worst = differences.max_by(f64::total_cmp).unwrap_or(0.0); // NaN is above all
    let worst = if losses.len() == e.candidate_losses.len() { worst } else { f64::INFINITY };
    checks.push(Check::within(entry, "candidate losses", worst, LOSS));
    Ok(checks)
}

fn substituted(goal: &Goal, (index, token): (usize, TokenId)) -> Result<Vec<TokenId>> {
    let mut suffix = goal.first_suffix().to_vec();
    *suffix.get_mut(index).with_context(|| format!("a candidate changes token {index} of the suffix"))? = token;
    Ok(suffix)
}
