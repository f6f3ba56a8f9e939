//! `mosa bench gcg`: seconds and memory of an iteration of the suffix search.

use super::{open, random_prompts, report};
use crate::args::BenchGcgArgs;
use crate::failure::Failure;
use crate::load::prepare;
use anyhow::{Result, ensure};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::{Adapted, DenoisingModel, Memory, Transformer, all_threads, synchronise};
use mosa_probe::gcg::{Filter, GcgSettings, Goal, Proposal, TargetLikelihood, TargetLoss};
use serde_json::{Value, json};
use std::time::Instant;
use tch::Device;

pub(crate) fn run(args: &BenchGcgArgs) -> Result<(), Failure> {
    let device = prepare(&args.model.compute)?;
    let model = open(&args.model, args.seed, device)?;
    let goal = goal(args, &model)?;
    let loss = TargetLoss::new(
        Adapted { model: &model, adapter: None },
        &goal,
        TargetLikelihood::FirstStep,
        args.seed,
        args.rows_per_pass,
    )?;
    let first = loss.losses(&[goal.first_suffix().to_vec()])?;
    loss.gradient(goal.first_suffix())?; // warm-up: both have touched every weight
    let (gradient, gradient_seconds) = timed(device, || Ok(loss.gradient(goal.first_suffix())?))?;
    let (candidates, draw_seconds) = timed(device, || {
        let filter = Filter::any(model.spec());
        let top_k = GcgSettings::default().top_k;
        let proposal = Proposal { goal: &goal, filter: &filter, top_k, count: args.candidates, replace: 1 };
        let mut rng = Rng::at(args.seed, Stream::Gcg, 1, 0);
        Ok(proposal.draw(&gradient.one_hot, goal.first_suffix(), &mut rng)?)
    })?;
    let (losses, seconds) = timed(device, || Ok(loss.losses(&candidates)?))?;
    let mut values = json!({
        "prompt_len": args.model.prompt_len,
        "gen_length": args.gen_length,
        "suffix_len": args.suffix_len,
        "target_len": args.target_len,
        "candidates": candidates.len(),
        "seconds": seconds,
        "candidates_per_s": candidates.len() as f64 / seconds,
        "gradient_seconds": gradient_seconds,
        "draw_seconds": draw_seconds,
        "seconds_per_iteration": gradient_seconds + draw_seconds + seconds,
        "loss": first[0],
        "threads": all_threads(),
        "peak_rss_bytes": Memory::now().peak_resident,
        "device_bytes": Memory::of_device(device),
        "dtype": format!("{:?}", model.kind()),
        "weights": model.weights().name(),
        "device": format!("{device:?}"),
    });
    if args.tokens {
        add_tokens(&mut values, &goal, &candidates, &losses);
    }
    Ok(report(&values, args.model.json)?)
}

/// A random prompt, its last tokens the suffix, and a random target.
fn goal(args: &BenchGcgArgs, model: &Transformer) -> Result<Goal> {
    ensure!(args.suffix_len <= args.model.prompt_len, "--suffix-length is larger than --prompt-length");
    ensure!(args.candidates > 0, "--candidates must be positive");
    let mut tokens = random_prompts(model.config(), [1, args.model.prompt_len + args.target_len], args.seed)?.concat();
    let target = tokens.split_off(args.model.prompt_len);
    Ok(Goal {
        id: "bench".into(),
        prompt: tokens,
        suffix: args.model.prompt_len - args.suffix_len..args.model.prompt_len,
        target,
        offset: args.offset,
        gen_length: args.gen_length,
    })
}

fn timed<T>(device: Device, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    synchronise(device);
    let start = Instant::now();
    let result = work()?;
    synchronise(device);
    Ok((result, start.elapsed().as_secs_f64()))
}

/// What another program needs to compute the same losses.
fn add_tokens(values: &mut Value, goal: &Goal, candidates: &[Vec<TokenId>], losses: &[f64]) {
    let changed = |candidate: &Vec<TokenId>| {
        let at = candidate.iter().zip(goal.first_suffix()).position(|(a, b)| a != b);
        at.map(|i| (i, candidate[i]))
    };
    values["prompt_ids"] = json!(goal.prompt);
    values["suffix"] = json!([goal.suffix.start, goal.suffix.end]);
    values["target_ids"] = json!(goal.target);
    values["offset"] = json!(goal.offset);
    values["substitutions"] = json!(candidates.iter().filter_map(changed).collect::<Vec<_>>());
    values["candidate_losses"] = json!(losses);
}
