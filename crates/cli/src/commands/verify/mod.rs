//! `mosa verify`: the engine against golden numbers made by the models' published code.
//!
//! A golden folder is a checkpoint with golden.json (ids, traces, scalars) and golden.safetensors (tensors). Every entry
//! whose feature exists is checked within the tolerance of its kind; the rest is reported as skipped, by name.
//!
//! The numbers were recorded in f32 on a CPU. On another device the same tolerances hold; in bf16 texts are exact, logits
//! are as near as bf16's rounding lets them be, and what depends on their last digits is skipped.

mod alignment;
mod block_cache;
mod block_traces;
mod gcg;
mod golden;
mod likelihood;
mod logits;
mod text;
mod traces;

use crate::args::VerifyArgs;
use crate::failure::Failure;
use crate::output;
use anyhow::{Context, Result, ensure};
use golden::Golden;
use mosa_engine::Ends;
use mosa_model::{Checkpoint, DtypeChoice, ModelConfig, Transformer, set_threads};
use mosa_text::TextModel;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The verdict on one entry.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    /// Entry of golden.json, for example `traces.blocks`.
    pub entry: String,
    /// What was compared.
    pub what: &'static str,
    /// `ok`, `MISS` or `skipped`.
    pub status: &'static str,
    /// Largest deviation, a count, or the reason.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
}

impl Check {
    /// A deviation against its tolerance.
    pub(crate) fn within(entry: &str, what: &'static str, found: f64, allowed: f64) -> Self {
        let status = if found <= allowed { "ok" } else { "MISS" };
        Self { entry: entry.into(), what, status, found: format!("{found:.1e}"), allowed: format!("{allowed:.1e}") }
    }

    /// Equality; `found` says what differs.
    pub(crate) fn exact(entry: &str, what: &'static str, difference: Option<String>) -> Self {
        let status = if difference.is_none() { "ok" } else { "MISS" };
        Self {
            entry: entry.into(),
            what,
            status,
            found: difference.unwrap_or_else(|| "equal".into()),
            allowed: "exact".into(),
        }
    }

    pub(crate) fn skipped(entry: &str, reason: impl Into<String>) -> Self {
        Self { entry: entry.into(), what: "", status: "skipped", found: reason.into(), allowed: String::new() }
    }
}

/// A golden folder, opened.
pub(crate) struct Folder {
    dir: PathBuf,
    golden: Golden,
    tensors: Checkpoint,
    config: ModelConfig,
    weights: Checkpoint,
    text: TextModel,
    device: Device,
}

impl Folder {
    fn open(dir: &Path, device: Device) -> Result<Self> {
        ensure!(dir.join("golden.json").exists(), "{}: not a golden folder (no golden.json)", dir.display());
        let config = ModelConfig::read(&dir.join("config.json"))?;
        let weights = Checkpoint::open(dir)?;
        let text = TextModel::load(dir, config.family, [config.mask, config.eos, config.pad])?;
        text.fits(config.vocab)?;
        let tensors = Checkpoint::open_file(&dir.join("golden.safetensors"))?;
        Ok(Self {
            golden: Golden::read(&dir.join("golden.json"))?,
            dir: dir.to_owned(),
            tensors,
            config,
            weights,
            text,
            device,
        })
    }

    fn model(&self, kind: Kind) -> Result<Transformer> {
        Ok(Transformer::load(&self.config, &self.weights, kind, self.device)?)
    }

    /// A recorded tensor in f32, on the device.
    fn tensor(&self, name: &str) -> Result<Tensor> {
        Ok(self.tensors.load(name, None, Some(Kind::Float), self.device)?)
    }

    fn ends(&self) -> Ends {
        Ends { eos: self.text.special.eos, eot: self.text.special.eot }
    }
}

pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    if let Some(threads) = args.threads {
        set_threads(i32::try_from(threads.max(1)).context("--threads is too large")?);
    }
    let device = args.device.resolve()?;
    let kind = if args.dtype == DtypeChoice::Bf16 { Kind::BFloat16 } else { Kind::Float };
    let mut misses = 0;
    for dir in &args.folders {
        let checks = verify(dir, kind, device).with_context(|| format!("verify {}", dir.display()))?;
        misses += checks.iter().filter(|c| c.status == "MISS").count();
        print(dir, &checks, args)?;
    }
    match misses {
        0 => Ok(()),
        n => Err(Failure::Check(format!("{n} entries do not match"))),
    }
}

fn verify(dir: &Path, kind: Kind, device: Device) -> Result<Vec<Check>> {
    let _no_grad = tch::no_grad_guard();
    let folder = Folder::open(dir, device)?;
    let mut checks = text::checks(&folder)?;
    let model = folder.model(kind)?;
    checks.extend(logits::checks(&folder, &model)?);
    checks.extend(block_cache::checks(&folder, &model)?);
    if kind != Kind::Float {
        let names = folder.golden.exact_in_f32();
        checks.extend(names.iter().map(|entry| Check::skipped(entry, "recorded in f32; its digits are not bf16's")));
        return Ok(checks);
    }
    checks.extend(traces::checks(&folder, &model)?);
    checks.extend(likelihood::checks(&folder, &model)?);
    checks.extend(tch::with_grad(|| alignment::checks(&folder, &model))?);
    checks.extend(gcg::checks(&folder, &model)?);
    checks.extend(folder.golden.not_checked().map(|(entry, reason)| Check::skipped(&entry, reason)));
    Ok(checks)
}

fn print(dir: &Path, checks: &[Check], args: &VerifyArgs) -> Result<()> {
    if args.json {
        for check in checks {
            output::json(&serde_json::json!({"folder": dir, "check": check}))?;
        }
        return Ok(());
    }
    let mut rows = vec![["entry", "what", "status", "found", "allowed"].map(str::to_owned).to_vec()];
    for c in checks.iter().filter(|c| !args.quiet || c.status != "ok") {
        rows.push(vec![c.entry.clone(), c.what.into(), c.status.into(), c.found.clone(), c.allowed.clone()]);
    }
    let count = |status| checks.iter().filter(|c| c.status == status).count();
    let summary =
        format!("{}: {} ok, {} missed, {} skipped", dir.display(), count("ok"), count("MISS"), count("skipped"));
    if rows.len() > 1 {
        output::line(&output::table(&rows))?;
    }
    Ok(output::line(&format!("{summary}\n"))?)
}

/// Largest absolute difference; infinite for different shapes or NaN.
pub(crate) fn distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    if a.size() != b.size() {
        return Ok(f64::INFINITY);
    }
    if a.numel() == 0 {
        return Ok(0.0);
    }
    let worst = a.f_to_kind(Kind::Float)?.f_sub(&b.f_to_kind(Kind::Float)?)?.f_abs()?.f_max()?.f_double_value(&[])?;
    Ok(if worst.is_nan() { f64::INFINITY } else { worst })
}
