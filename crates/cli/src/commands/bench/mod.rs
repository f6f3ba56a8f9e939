//! `mosa bench`: speed and peak memory.

mod align;
mod gcg;
mod generate;
mod monitors;

use crate::args::{BenchArgs, BenchCommand, BenchModelArgs};
use crate::failure::Failure;
use crate::load::check_memory;
use crate::output;
use anyhow::{Context, Result, ensure};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::{Checkpoint, DtypeChoice, ModelConfig, Precision, Transformer, stored_size};
use serde_json::Value;
use tch::{Device, Kind};

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.what {
        BenchCommand::Generate(args) => generate::run(args),
        BenchCommand::Align(args) => align::run(args),
        BenchCommand::Gcg(args) => gcg::run(args),
    }
}

/// The checkpoint, or random weights of a shape.
fn open(args: &BenchModelArgs, seed: u64, device: Device) -> Result<Transformer> {
    let Some(dir) = &args.model else {
        let path = args.config.as_ref().context("--model or --config is needed")?;
        let stored = args.stored.unwrap_or(args.compute.dtype);
        let stored = if stored == DtypeChoice::Bf16 { Kind::BFloat16 } else { Kind::Float };
        let precision = Precision::resolve(args.compute.dtype, args.compute.weights, stored, device)?;
        let config = ModelConfig::read(path)?;
        check_memory(&config, stored.elt_size_in_bytes() as f64, precision, device)?;
        return Ok(Transformer::random_stored(&config, seed, stored, precision, device)?);
    };
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::open(dir)?;
    let stored = checkpoint.weights_kind()?;
    let precision = Precision::resolve(args.compute.dtype, args.compute.weights, stored, device)?;
    check_memory(&config, stored_size(&checkpoint), precision, device)?;
    Ok(Transformer::load(&config, &checkpoint, precision, device)?)
}

/// The most prompt tokens of a measurement.
const MOST_TOKENS: usize = 1 << 28;

/// Uniform ids below 256 (or below the vocabulary), never the mask.
fn random_prompts(config: &ModelConfig, [rows, length]: [usize; 2], seed: u64) -> Result<Vec<Vec<TokenId>>> {
    ensure!(
        rows.saturating_mul(length) <= MOST_TOKENS,
        "--batch-size {rows} times --prompt-length {length} is more than {MOST_TOKENS} tokens"
    );
    let below = config.vocab.min(256);
    let row = |i: usize| {
        let mut rng = Rng::at(seed, Stream::Bench, 0, i as u64);
        let mut token = || loop {
            let t = rng.below(below) as TokenId;
            if t != config.mask {
                return t;
            }
        };
        (0..length).map(|_| token()).collect()
    };
    Ok((0..rows).map(row).collect())
}

/// One JSON object, or its fields as a table.
fn report(values: &Value, json: bool) -> Result<()> {
    if json {
        return output::json(values);
    }
    let fields = values.as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = fields.map(|(k, v)| vec![k.replace('_', " "), rounded(v)]).collect();
    Ok(output::line(&output::table(&rows))?)
}

fn rounded(value: &Value) -> String {
    match value {
        Value::Number(n) if n.is_f64() => format!("{:.4}", n.as_f64().unwrap_or(0.0)),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
