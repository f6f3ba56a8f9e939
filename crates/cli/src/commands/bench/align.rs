//! `mosa bench align`: seconds and memory of a MOSA step.

use super::{open, random_prompts, report};
use crate::args::BenchAlignArgs;
use crate::failure::Failure;
use crate::load::prepare;
use anyhow::{Context, Result};
use mosa_align::{AlignConfig, CanvasIds, Data, Policy, Record, Trainer, Windows, objective};
use mosa_model::{Adapter, AdapterConfig, DenoisingModel, Memory, Transformer, all_threads, synchronise};
use serde_json::json;
use std::time::Instant;

pub(crate) fn run(args: &BenchAlignArgs) -> Result<(), Failure> {
    let device = prepare(&args.model.compute)?;
    let model = open(&args.model, args.seed, device)?;
    let config = AlignConfig {
        steps: Some(args.repeats + 1),
        batch_size: args.batch_size,
        micro_batch_size: args.micro_batch_size,
        window: Windows::One([args.window[0], args.window[1]]),
        canvas_length: args.gen_length,
        seed: args.seed,
        ..AlignConfig::default()
    };
    let mut adapter = fresh_adapter(args, &model)?;
    adapter.set_trainable(true);
    let data = data(args, &model)?;
    config.check()?;
    data.check(config.canvas_length, model.spec().max_length)?;
    let ids = CanvasIds { mask: model.spec().mask, eos: model.spec().eos };
    let objective = objective("mosa", &config, ids, data)?.context("the objective exists")?;
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config)?;
    let first = trainer.step()?; // warm-up
    synchronise(device);
    let start = Instant::now();
    for _ in 0..args.repeats {
        trainer.step()?;
    }
    synchronise(device);
    let seconds = start.elapsed().as_secs_f64() / args.repeats as f64;
    let values = json!({
        "prompt_len": args.model.prompt_len,
        "gen_length": args.gen_length,
        "batch": args.batch_size,
        "rank": args.rank,
        "seconds_per_step": seconds,
        "prompts_per_s": args.batch_size as f64 / seconds,
        "seconds_for_3000_prompts": 3000.0 * seconds / args.batch_size as f64,
        "threads": all_threads(),
        "first_loss": first.loss,
        "first_grad_norm": first.grad_norm,
        "peak_rss_bytes": Memory::now().peak_resident,
        "device_bytes": Memory::of_device(device),
        "dtype": format!("{:?}", model.kind()),
        "weights": model.weights().name(),
        "device": format!("{device:?}"),
    });
    Ok(report(&values, args.model.json)?)
}

fn fresh_adapter(args: &BenchAlignArgs, model: &Transformer) -> Result<Adapter> {
    let targets = mosa_model::Targets::Pattern(model.spec().block_linears.clone());
    let config = AdapterConfig::new(args.rank, 2.0 * args.rank as f64, targets);
    Ok(Adapter::init(config, model.spec(), args.seed, model.device())?)
}

/// Random prompts and one pair of sentences of ten tokens.
fn data(args: &BenchAlignArgs, model: &Transformer) -> Result<Data> {
    let prompts = random_prompts(model.config(), [args.batch_size, args.model.prompt_len], args.seed)?;
    let record = |(i, prompt): (usize, Vec<u32>)| Record { id: i.to_string(), prompt, ..Record::default() };
    Ok(Data {
        records: prompts.into_iter().enumerate().map(record).collect(),
        safe: vec![(0..10).collect()],
        harmful: vec![(20..30).collect()],
        ..Data::default()
    })
}
