//! Logits of single and padded passes, with further adapters, and of the caches of whole canvases.

use super::golden::{CacheEntry, LogitsEntry};
use super::{Check, Folder};
use anyhow::{Context, Result};
use mosa_core::TokenId;
use mosa_model::{Adapter, Attention, Call, DenoisingModel, KvCache, Row, Slot, Transformer};
use tch::{Kind, Tensor};

const F32: f64 = 2e-4;
const BF16_MEAN: f64 = 0.1;
const BF16_MAX: f64 = 1.0;

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for e in &folder.golden.logits {
        let entry = format!("logits.{}", e.name);
        for name in &e.tensors {
            if name.ends_with(".bf16") && model.kind() != Kind::BFloat16 {
                let half = folder.model(Kind::BFloat16)?;
                checks.extend(near(&entry, Kind::BFloat16, &difference(folder, &half, e, name)?)?);
            } else {
                checks.extend(near(&entry, model.kind(), &difference(folder, model, e, name)?)?);
            }
        }
    }
    if let Some(cache) = &folder.golden.cache {
        checks.extend(cache_checks(folder, model, cache)?);
    }
    checks.extend(further_adapters(folder, model)?);
    Ok(checks)
}

/// Whether |ours - recorded| is small enough for the type ours were computed in.
pub(crate) fn near(entry: &str, kind: Kind, difference: &Tensor) -> Result<Vec<Check>> {
    let number = |t: Tensor| -> Result<f64> {
        let value = t.f_double_value(&[])?;
        Ok(if value.is_nan() { f64::INFINITY } else { value })
    };
    let worst = number(difference.f_max()?)?;
    if kind == Kind::Float {
        return Ok(vec![Check::within(entry, "f32 logits", worst, F32)]);
    }
    let mean = number(difference.f_mean(Kind::Float)?)?;
    Ok(vec![
        Check::within(entry, "bf16 logits, mean", mean, BF16_MEAN),
        Check::within(entry, "bf16 logits, largest", worst, BF16_MAX),
    ])
}

/// |ours - recorded| over the rows that are no padding.
fn difference(folder: &Folder, model: &Transformer, e: &LogitsEntry, tensor: &str) -> Result<Tensor> {
    let ours = raw_logits(model, None, e)?;
    let recorded = folder.tensor(tensor)?; // [b, t, v]
    let vocab = recorded.size()[2];
    let kept: Vec<i64> = e.keep.iter().flatten().enumerate().filter(|(_, k)| **k != 0).map(|(i, _)| i as i64).collect();
    let recorded = recorded
        .f_reshape([-1, vocab])?
        .f_index_select(0, &Tensor::f_from_slice(&kept)?.f_to_device(folder.device)?)?;
    Ok(ours.f_to_kind(Kind::Float)?.f_sub(&recorded)?.f_abs()?)
}

/// The raw output rows of every token that is no padding, row after row. A shifted model's row i scores position i + 1.
pub(crate) fn raw_logits(model: &Transformer, adapter: Option<&Adapter>, e: &LogitsEntry) -> Result<Tensor> {
    let unpadded: Vec<Vec<TokenId>> = e
        .ids
        .iter()
        .zip(&e.keep)
        .map(|(ids, keep)| ids.iter().zip(keep).filter(|(_, k)| **k != 0).map(|(t, _)| *t).collect())
        .collect();
    let rows: Vec<&[TokenId]> = unpadded.iter().map(Vec::as_slice).collect();
    let shift = model.spec().lookback;
    let want: Vec<Slot> =
        rows.iter().enumerate().flat_map(|(i, r)| (0..r.len()).map(move |p| (i, p + shift))).collect();
    let attention = e.block.map(|block| Attention::BlockCausal { block });
    let rows = rows.into_iter().map(|tokens| Row { attention, ..Row::new(tokens) }).collect();
    Ok(model.forward(Call::of(rows, &want).with_adapter(adapter))?)
}

/// The adapters beside the one that `mosa` trains, each on the fly and merged.
fn further_adapters(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for further in &folder.golden.adapters {
        let entry = format!("adapters.{}", further.folder);
        let single = folder.golden.logits.iter().find(|e| e.name == "single").context("there is no logits.single")?;
        let adapter = Adapter::load(&folder.dir.join(&further.folder), model.spec(), folder.device)?;
        let recorded = folder.tensor(&further.tensor)?;
        let distance = |ours: Tensor| -> Result<Tensor> {
            Ok(ours.f_view(recorded.size().as_slice())?.f_to_kind(Kind::Float)?.f_sub(&recorded)?.f_abs()?)
        };
        checks.extend(near(&entry, model.kind(), &distance(raw_logits(model, Some(&adapter), single)?)?)?);
        let mut merged = folder.model(model.kind())?;
        merged.merge(&adapter)?;
        checks.extend(near(&format!("{entry}.merged"), model.kind(), &distance(raw_logits(&merged, None, single)?)?)?);
    }
    Ok(checks)
}

/// Fill from `ids_cached`; then the suffix from the block on (prefix) and the block alone (dual) of `ids_step`.
fn cache_checks(folder: &Folder, model: &Transformer, e: &CacheEntry) -> Result<Vec<Check>> {
    let (start, end) = e.block;
    let [filled, step] = [&e.ids_cached, &e.ids_step].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let width = filled.first().context("cache.ids_cached is empty")?.len();
    let shift = model.spec().lookback;
    let slots = |from: usize, to: usize| -> Vec<Slot> {
        (0..filled.len()).flat_map(|r| (from..to).map(move |p| (r, p + shift))).collect()
    };
    let mut checks = Vec::new();
    for (name, tensor) in &e.tensors {
        let (from, to) = match name.as_str() {
            "full" => (0, width),
            "prefix" => (start, width),
            "dual" => (start, end),
            other => {
                checks.push(Check::skipped(&format!("cache.{other}"), "unknown kind of cache"));
                continue;
            }
        };
        let mut caches: Vec<KvCache> = filled.iter().map(|_| KvCache::new()).collect();
        let mut cached = |views: &[&[TokenId]], start: usize, want: &[Slot]| {
            let rows = views.iter().zip(&mut caches).map(|(view, cache)| Row::cached(view, start, cache));
            model.forward(Call::of(rows.collect(), want))
        };
        let mut logits = cached(&filled, 0, &slots(0, width))?;
        if name != "full" {
            let windows: Vec<&[TokenId]> = step.iter().map(|r| &r[from..to]).collect();
            logits = cached(&windows, from, &slots(from, to))?;
        }
        let recorded = folder.tensor(tensor)?;
        let logits = logits.f_view(recorded.size().as_slice())?.f_to_kind(Kind::Float)?;
        checks.extend(near(&format!("cache.{name}"), model.kind(), &logits.f_sub(&recorded)?.f_abs()?)?);
    }
    Ok(checks)
}
