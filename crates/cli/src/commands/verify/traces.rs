//! Complete decodes, token by token, and Dream's schedules.

use super::golden::{ScheduleEntry, TraceEntry};
use super::{Check, Folder, block_traces};
use anyhow::{Context, Result};
use mosa_core::TokenId;
use mosa_engine::{
    Answer, Batching, CacheMode, Commit, EndRule, Options, Request, RevealCount, Schedule, generate, reveal_count,
    reveal_probabilities,
};
use mosa_model::{Adapted, DenoisingModel, Transformer};
use mosa_text::Specials;
use serde_json::Value;
use std::collections::BTreeMap;

/// A few f32 units in the last place: libtorch's time grid depends on the vector width it was computed with.
const REVEAL: f64 = 3e-7;

/// What one step of a decode did.
#[derive(PartialEq)]
struct StepView {
    block: usize,
    step: usize,
    /// Whether the whole canvas was seen.
    full: bool,
    /// Of all rows, sorted.
    commits: Commits,
}

/// (row, response offset, token).
type Commits = Vec<(usize, i64, TokenId)>;

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for e in &folder.golden.traces {
        if block_traces::is_one(e) {
            checks.extend(block_traces::checks(folder, model, e)?);
            continue;
        }
        let entry = format!("traces.{}", e.name);
        match options(folder, e) {
            Err(reason) => checks.push(Check::skipped(&entry, reason.to_string())),
            Ok(options) => {
                let replayed = |batching| replay(folder, model, e, &Way { options: &options, batching });
                checks.push(Check::exact(&entry, "every step", replayed(Batching::Rows)?));
                if e.prompts.len() > 1 {
                    checks.push(Check::exact(&entry, "every step, padded", replayed(Batching::SHARED)?));
                }
            }
        }
    }
    for (i, e) in folder.golden.schedules.iter().enumerate() {
        checks.extend(schedule_checks(&format!("schedules.{i}"), e));
    }
    Ok(checks)
}

/// The options a trace was recorded with. Unknown arguments are an error that names them.
fn options(folder: &Folder, e: &TraceEntry) -> Result<Options> {
    let size = |key: &str| e.args.get(key).and_then(Value::as_u64).map(|n| n as usize);
    let number = |key: &str| e.args.get(key).and_then(Value::as_f64);
    let flag = |key: &str| e.args.get(key).and_then(Value::as_bool).unwrap_or(false);
    let known = [
        "gen_length",
        "steps",
        "block_length",
        "cfg_scale",
        "logits_eos_inf",
        "confidence_eos_eot_inf",
        "alg",
        "eps",
        "cache",
        "threshold",
        "factor",
    ];
    if let Some((key, value)) = e.args.iter().find(|(k, v)| !known.contains(&k.as_str()) && !v.is_null()) {
        anyhow::bail!("unknown argument {key} = {value}");
    }
    let (gen_length, steps) = (size("gen_length").context("no gen_length")?, size("steps").context("no steps")?);
    let mut options = match e.args.get("alg").and_then(Value::as_str) {
        Some(alg) => Options {
            schedule: Schedule::Timesteps { steps, eps: number("eps").unwrap_or(1e-3), count: RevealCount::BatchMean },
            commit: Commit::by_name(alg).with_context(|| format!("unknown alg {alg}"))?,
            ..Options::dream(folder.ends())
        },
        None => Options {
            schedule: Schedule::Blocks { steps, block_length: size("block_length").unwrap_or(gen_length) },
            ..Options::llada(folder.ends())
        },
    };
    options.gen_length = gen_length;
    options.cfg_scale = number("cfg_scale").unwrap_or(0.0);
    options.end_rule = match (flag("logits_eos_inf"), flag("confidence_eos_eot_inf")) {
        (false, false) => EndRule::Free,
        (true, false) => EndRule::NeverEos,
        (false, true) => EndRule::EndsLast,
        (true, true) => EndRule::Both,
    };
    if let Some(threshold) = number("threshold") {
        options.commit = Commit::Threshold(threshold);
    }
    if let Some(factor) = number("factor") {
        options.commit = Commit::Factor(factor);
    }
    options.cache = match e.args.get("cache").and_then(Value::as_str) {
        None | Some("none") => CacheMode::None,
        Some("prefix") => CacheMode::Prefix,
        Some("dual") => CacheMode::Dual,
        Some(other) => anyhow::bail!("unknown cache {other}"),
    };
    Ok(options)
}

/// How a trace is decoded again.
struct Way<'a> {
    options: &'a Options,
    batching: Batching,
}

/// Decodes the prompts again; says what differs from the record, if anything does.
fn replay(folder: &Folder, model: &Transformer, e: &TraceEntry, way: &Way<'_>) -> Result<Option<String>> {
    let options = way.options;
    let request = |(row, prompt): (usize, &Vec<TokenId>)| {
        let forced = e.forced.as_ref().and_then(|f| f.get(row)).into_iter().flatten().map(|(&k, &t)| (k, t));
        Request::new(format!("row{row}"), prompt.clone(), options).with_infill().with_forced(forced)
    };
    let requests = e.prompts.iter().enumerate().map(request).collect();
    let answers = generate(Adapted::plain(model), way.batching, requests, &mut ())?.into_iter().flatten();
    let mask = model.spec().mask;
    let answers: Vec<Answer> =
        answers.zip(&e.prompts).map(|(a, prompt)| as_published(a, prompt, mask, options)).collect();
    let (ours, theirs) = (our_steps(&answers, e), recorded_steps(e));
    if let Some((a, b)) = ours.iter().zip(&theirs).find(|(a, b)| a != b) {
        let seen = [a, b].map(|view| (view.full, &view.commits));
        return Ok(Some(format!("block {} step {}: {:?} instead of {:?}", b.block, b.step, seen[0], seen[1])));
    }
    if ours.len() != theirs.len() {
        return Ok(Some(format!("{} steps with commits instead of {}", ours.len(), theirs.len())));
    }
    if way.batching == Batching::Rows
        && let Some(row) = (0..answers.len()).find(|&r| answers[r].forwards != steps_of(&theirs, r))
    {
        return Ok(Some(format!(
            "row {row} needed {} passes instead of {}",
            answers[row].forwards,
            steps_of(&theirs, row)
        )));
    }
    for (row, answer) in answers.iter().enumerate() {
        let text = folder.text.tokenizer.decode(&answer.ids, Specials::Skip)?;
        if e.answers.get(row) != Some(&answer.ids) || e.final_text.get(row) != Some(&text) {
            return Ok(Some(format!("row {row} ends as {:?} {text:?}", answer.ids)));
        }
    }
    Ok((answers.len() != e.answers.len()).then(|| format!("{} rows instead of {}", answers.len(), e.answers.len())))
}

/// The answer as the published code leaves it: without the steps behind the last block, in which the engine reveals what
/// the blocks left masked.
fn as_published(mut answer: Answer, prompt: &[TokenId], mask: TokenId, options: &Options) -> Answer {
    let blocks = options.blocks(prompt.len());
    let all = answer.trace.steps.len();
    answer.trace.steps.retain(|s| s.step.block < blocks);
    let behind = all - answer.trace.steps.len();
    if behind > 0 {
        let mut canvas = [prompt, &vec![mask; options.gen_length]].concat();
        for edit in answer.trace.steps.iter().flat_map(|s| &s.edits) {
            canvas[edit.position] = edit.token;
        }
        answer.ids = canvas.split_off(prompt.len());
        answer.forwards -= behind;
    }
    answer
}

/// Steps in which this row commits something: the passes it needs.
fn steps_of(steps: &[StepView], row: usize) -> usize {
    steps.iter().filter(|s| s.commits.iter().any(|c| c.0 == row)).count()
}

fn recorded_steps(e: &TraceEntry) -> Vec<StepView> {
    let view = |commit: &[(usize, i64, TokenId)]| {
        let mut commit = commit.to_vec();
        commit.sort_unstable();
        commit
    };
    let steps = e.steps.iter().filter(|s| !s.commit.is_empty());
    steps.map(|s| StepView { block: s.block, step: s.step as usize, full: s.full, commits: view(&s.commit) }).collect()
}

/// The traces of all rows merged by (block, step). Forced tokens were written before the first step and are left out.
fn our_steps(answers: &[Answer], e: &TraceEntry) -> Vec<StepView> {
    let mut steps: BTreeMap<(usize, usize), (bool, Commits)> = BTreeMap::new();
    for (row, answer) in answers.iter().enumerate() {
        let start = e.prompts[row].len() as i64;
        for record in &answer.trace.steps {
            let commits = record.edits.iter().filter(|edit| edit.confidence.is_some());
            let commits: Vec<_> = commits.map(|edit| (row, edit.position as i64 - start, edit.token)).collect();
            if !commits.is_empty() {
                let slot = steps.entry((record.step.block, record.step.step)).or_insert((record.full, Vec::new()));
                slot.1.extend(commits);
            }
        }
    }
    steps
        .into_iter()
        .map(|((block, step), (full, mut commits))| {
            commits.sort_unstable();
            StepView { block, step, full, commits }
        })
        .collect()
}

fn schedule_checks(entry: &str, e: &ScheduleEntry) -> Vec<Check> {
    let probabilities = reveal_probabilities(e.steps, e.eps);
    let mut masks = e.masks;
    let counts: Vec<usize> = probabilities
        .iter()
        .map(|&p| {
            let n = reveal_count(masks, 1, p).min(masks);
            masks -= n;
            n
        })
        .collect();
    let differs = (counts != e.per_step).then(|| format!("{counts:?}"));
    let worst =
        probabilities.iter().zip(&e.p_transfer_origin).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    vec![Check::exact(entry, "tokens per step", differs), Check::within(entry, "reveal probability", worst, REVEAL)]
}
