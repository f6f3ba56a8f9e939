//! Complete decodes of block-causal models, token by token: SDAR's samplers, LLaDA2.0 and LLaDA2.1.

use super::golden::{TraceEntry, TraceStep};
use super::{Check, Folder};
use anyhow::{Context, Result, bail};
use mosa_core::{Canvas, Cause, TokenId};
use mosa_engine::{
    Answer, Batching, BlockQuota, CacheMode, Commit, Editing, Ends, EngineError, Intervention, Options, Request,
    Schedule, Step, generate,
};
use mosa_model::{Adapted, Transformer};
use mosa_text::Specials;
use serde_json::Value;

/// How a trace was recorded.
struct Recipe {
    options: Options,
    stop: Stop,
}

/// When the published code ends a row, and what it then returns.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    /// SDAR: behind the block with a stop id; all of the canvas behind the prompt is returned.
    WholeBlocks,
    /// LLaDA2: what is returned is cut behind the first eos and, unless a row may stop early inside a block, to the length that
    /// was asked for.
    Cut { eos: TokenId, early: bool },
}

/// Whether this trace is of a sampler that decodes block by block on a grid of the canvas.
pub(crate) fn is_one(e: &TraceEntry) -> bool {
    e.args.contains_key("denoising_steps") || e.args.contains_key("version")
}

pub(crate) fn checks(folder: &Folder, model: &Transformer, e: &TraceEntry) -> Result<Vec<Check>> {
    let entry = format!("traces.{}", e.name);
    let recipe = match recipe(folder, e) {
        Ok(recipe) => recipe,
        Err(reason) => return Ok(vec![Check::skipped(&entry, reason.to_string())]),
    };
    let mut checks = Vec::new();
    for (what, cache) in [("every step", CacheMode::Block), ("every step, without a cache", CacheMode::None)] {
        let options = Options { cache, ..recipe.options.clone() };
        checks.push(Check::exact(&entry, what, replay(folder, model, e, &Recipe { options, ..recipe })?));
    }
    Ok(checks)
}

/// The arguments of a trace.
struct Args<'a>(&'a TraceEntry);

impl Args<'_> {
    fn size(&self, key: &str) -> Option<usize> {
        self.0.args.get(key).and_then(Value::as_u64).map(|n| n as usize)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.0.args.get(key).and_then(Value::as_f64)
    }

    fn needed(&self, key: &str) -> Result<usize> {
        self.size(key).with_context(|| format!("no {key}"))
    }

    /// Refuses arguments that change the decode and are not known here.
    fn known(&self, keys: &[&str]) -> Result<()> {
        match self.0.args.iter().find(|(key, value)| !keys.contains(&key.as_str()) && !value.is_null()) {
            Some((key, value)) => bail!("unknown argument {key} = {value}"),
            None => Ok(()),
        }
    }
}

fn recipe(folder: &Folder, e: &TraceEntry) -> Result<Recipe> {
    let args = Args(e);
    match e.args.get("version").and_then(Value::as_str) {
        None => sdar(folder, &args),
        Some("2.0") => llada2(folder, &args),
        Some("2.1") => llada21(folder, &args),
        Some(other) => bail!("unknown version {other}"),
    }
}

fn sdar(folder: &Folder, args: &Args<'_>) -> Result<Recipe> {
    args.known(&[
        "gen_length",
        "block_length",
        "denoising_steps",
        "remasking_strategy",
        "confidence_threshold",
        "eb_threshold",
        "stop_ids",
    ])?;
    let commit = match args.0.args.get("remasking_strategy").and_then(Value::as_str) {
        Some("sequential") => Commit::LeftToRight,
        Some("low_confidence_static") => Commit::LowConfidence,
        Some("low_confidence_dynamic") => Commit::Dynamic(args.number("confidence_threshold").unwrap_or(0.85)),
        Some("entropy_bounded") => Commit::EntropyBounded(args.number("eb_threshold").unwrap_or(0.35)),
        other => bail!("unknown remasking_strategy {other:?}"),
    };
    let block_length = args.needed("block_length")?;
    let quota = BlockQuota::Steps(args.needed("denoising_steps")?);
    let stops = args.0.args.get("stop_ids").and_then(Value::as_array).into_iter().flatten();
    let options = Options {
        gen_length: args.needed("gen_length")?,
        schedule: Schedule::BlockDiffusion { block_length, quota, editing: None },
        commit,
        block_stops: stops.filter_map(Value::as_u64).map(|id| id as TokenId).collect(),
        ..Options::block_diffusion(folder.ends(), block_length)
    };
    Ok(Recipe { options, stop: Stop::WholeBlocks })
}

fn llada2(folder: &Folder, args: &Args<'_>) -> Result<Recipe> {
    args.known(&[
        "version",
        "gen_length",
        "block_length",
        "steps",
        "threshold",
        "minimal_topk",
        "eos_early_stop",
        "eos",
    ])?;
    let (gen_length, block_length) = (args.needed("gen_length")?, args.size("block_length").unwrap_or(32));
    let steps = args.size("steps").unwrap_or(32).min(gen_length / args.size("minimal_topk").unwrap_or(1).max(1));
    let early = args.0.args.get("eos_early_stop") == Some(&Value::Bool(true));
    let eos = eos(folder, args);
    let options = Options {
        gen_length,
        schedule: Schedule::BlockDiffusion { block_length, quota: BlockQuota::Steps(steps), editing: None },
        commit: Commit::Dynamic(args.number("threshold").unwrap_or(0.95)),
        block_stops: vec![eos],
        ..Options::block_diffusion(Ends { eos, eot: None }, block_length)
    };
    Ok(Recipe { options, stop: Stop::Cut { eos, early } })
}

fn llada21(folder: &Folder, args: &Args<'_>) -> Result<Recipe> {
    args.known(&[
        "version",
        "gen_length",
        "block_length",
        "steps",
        "threshold",
        "minimal_topk",
        "editing_threshold",
        "max_post_steps",
        "num_to_transfer",
        "eos_early_stop",
        "eos",
    ])?;
    let block_length = args.size("block_length").unwrap_or(32);
    let eos = eos(folder, args);
    let editing = Editing {
        threshold: args.number("editing_threshold").unwrap_or(0.9),
        max_post_steps: args.size("max_post_steps").unwrap_or(16),
    };
    let quota = BlockQuota::PerStep(args.size("num_to_transfer").unwrap_or(1));
    let early = args.0.args.get("eos_early_stop") == Some(&Value::Bool(true));
    let options = Options {
        gen_length: args.needed("gen_length")?,
        schedule: Schedule::BlockDiffusion { block_length, quota, editing: Some(editing) },
        commit: Commit::Dynamic(args.number("threshold").unwrap_or(0.95)),
        block_stops: if early { vec![eos] } else { Vec::new() },
        ..Options::block_diffusion(Ends { eos, eot: None }, block_length)
    };
    Ok(Recipe { options, stop: Stop::Cut { eos, early: false } })
}

fn eos(folder: &Folder, args: &Args<'_>) -> TokenId {
    args.size("eos").map_or(folder.ends().eos, |id| id as TokenId)
}

/// LLaDA2.0's `eos_early_stop` inside a block: as soon as a step reveals an eos and nothing before the first one is masked.
struct EarlyStop {
    eos: TokenId,
    seen: usize,
}

impl Intervention for EarlyStop {
    fn name(&self) -> &str {
        "eos_early_stop"
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn only_watches(&self) -> bool {
        true
    }

    fn is_over(&mut self, _step: Step, canvas: &Canvas) -> Result<bool, EngineError> {
        let response = canvas.response();
        let now = response.iter().filter(|t| **t == self.eos).count();
        let revealed = now > std::mem::replace(&mut self.seen, now);
        Ok(revealed && response.iter().take_while(|t| **t != canvas.mask()).any(|t| *t == self.eos))
    }
}

/// Decodes the prompt again; says what differs from the record, if anything does.
fn replay(folder: &Folder, model: &Transformer, e: &TraceEntry, recipe: &Recipe) -> Result<Option<String>> {
    let [prompt] = e.prompts.as_slice() else { bail!("traces.{} has {} rows, not one", e.name, e.prompts.len()) };
    let forced = e.forced.as_ref().and_then(|f| f.first()).into_iter().flatten().map(|(&k, &t)| (k, t));
    let mut request = Request::new("row0", prompt.clone(), &recipe.options).with_infill().with_forced(forced);
    if let Stop::Cut { eos, early: true } = recipe.stop {
        request = request.with_interventions(vec![Box::new(EarlyStop { eos, seen: 0 })]);
    }
    let mut canvas =
        [prompt.clone(), vec![folder.text.special.mask; recipe.options.response_on_canvas(prompt.len())]].concat();
    let answers = generate(Adapted::plain(model), Batching::Rows, vec![request], &mut ())?;
    let answer = answers.into_iter().flatten().next().context("no answer")?;
    if let Some(difference) = differing_step(&answer, e, prompt.len()) {
        return Ok(Some(difference));
    }
    let passes = e.steps.iter().filter(|s| s.kind.is_none()).count();
    if answer.forwards != passes {
        return Ok(Some(format!("{} passes instead of {passes}", answer.forwards)));
    }
    for edit in answer.trace.steps.iter().flat_map(|s| &s.edits) {
        canvas[edit.position] = edit.token;
    }
    let ids = returned(&canvas[prompt.len()..], recipe);
    let text = folder.text.tokenizer.decode(&ids, Specials::Skip)?;
    let same = e.answers.first() == Some(&ids) && e.final_text.first() == Some(&text);
    Ok((!same).then(|| format!("the row ends as {ids:?} {text:?}")))
}

/// What the published function returns of a canvas.
fn returned(response: &[TokenId], recipe: &Recipe) -> Vec<TokenId> {
    let Stop::Cut { eos, early } = recipe.stop else { return response.to_vec() };
    let end = response.iter().position(|t| *t == eos).map_or(recipe.options.gen_length, |at| at + 1);
    let end = if early { end } else { end.min(recipe.options.gen_length) };
    response[..end.min(response.len())].to_vec()
}

/// What a step revealed and what it replaced, by response offset.
#[derive(Debug, PartialEq)]
struct Written {
    block: usize,
    step: i64,
    commits: Vec<(i64, TokenId)>,
    revisions: Vec<(i64, TokenId)>,
}

fn differing_step(answer: &Answer, e: &TraceEntry, prompt: usize) -> Option<String> {
    let written = |s: &TraceStep| {
        let [commits, revisions] = [&s.commit, &s.edit].map(|all| sorted(all.iter().map(|&(_, at, t)| (at, t))));
        Written { block: s.block, step: s.step, commits, revisions }
    };
    let theirs = e.steps.iter().map(written).filter(|w| !w.commits.is_empty() || !w.revisions.is_empty());
    let ours = answer.trace.steps.iter().map(|record| {
        let of = |cause: Cause| {
            let all = record.edits.iter().filter(move |edit| edit.cause == cause);
            sorted(all.map(|edit| (edit.position as i64 - prompt as i64, edit.token)))
        };
        let (commits, revisions) = (of(Cause::Committed), of(Cause::Revised));
        Written { block: record.step.block, step: record.step.step as i64, commits, revisions }
    });
    let ours = ours.filter(|w| !w.commits.is_empty() || !w.revisions.is_empty());
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.collect(), theirs.collect());
    if let Some((a, b)) = ours.iter().zip(&theirs).find(|(a, b)| a != b) {
        return Some(format!("{a:?} instead of {b:?}"));
    }
    (ours.len() != theirs.len()).then(|| format!("{} steps that write instead of {}", ours.len(), theirs.len()))
}

fn sorted(all: impl Iterator<Item = (i64, TokenId)>) -> Vec<(i64, TokenId)> {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all
}
