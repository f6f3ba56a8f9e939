//! Likelihoods of given tokens.

use super::{Check, Folder};
use anyhow::Result;
use mosa_core::Canvas;
use mosa_engine::{Estimator, likelihood};
use mosa_model::{Adapted, Transformer};

const PER_TOKEN: f64 = 2e-4;
const SUM: f64 = 1e-3;

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (i, e) in folder.golden.likelihood.iter().enumerate() {
        let canvas = Canvas::new(&e.prompt, e.gen_length, folder.text.special.mask);
        let tokens: Vec<_> = (e.prompt.len() + e.slot..).zip(e.tokens.iter().copied()).collect();
        let cases = [
            ("mean_field", Estimator::MeanField, e.mean_field, &e.mean_field_per_token),
            ("chain", Estimator::Chain, e.chain, &e.chain_per_token),
        ];
        for (name, estimator, total, per_token) in cases {
            let found = likelihood(Adapted::plain(model), &canvas, &tokens, estimator)?;
            let worst = found.per_token.iter().zip(per_token).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let worst = if found.per_token.len() == per_token.len() { worst } else { f64::INFINITY };
            let entry = format!("likelihood.{i}.{name}");
            checks.push(Check::within(&entry, "per token", worst, PER_TOKEN));
            checks.push(Check::within(&entry, "sum", (found.total - total).abs(), SUM));
        }
    }
    Ok(checks)
}
