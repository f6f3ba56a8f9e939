//! What monitors cost: decodes with all of them and without, in turns.

use crate::args::BenchGenerateArgs;
use anyhow::{Result, ensure};
use mosa_core::TokenId;
use mosa_defence::monitor::{MONITORS, Making, MonitorEntry, Question, Tokens, Watch};
use mosa_engine::{Answer, Intervention, Options, Request, generate};
use mosa_model::{Adapted, DenoisingModel, Transformer, synchronise};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// As many tokens as a list of words has.
const WORDS: i64 = 40;

/// Seconds of pairs of decodes, with and without, and the ratios; the answers are the same. The pass of the question that one of
/// the monitors asks for is timed with the rest.
pub(super) fn pairs(
    model: &Transformer,
    prompts: &[Vec<TokenId>],
    options: &Options,
    args: &BenchGenerateArgs,
) -> Result<Value> {
    let once = |watched: bool| -> Result<(f64, Vec<Vec<TokenId>>)> {
        let start = Instant::now();
        let request = |(i, prompt): (usize, &Vec<TokenId>)| -> Result<Request> {
            let plain = Request::new(format!("row{i}"), prompt.clone(), options);
            Ok(if watched { plain.with_interventions(vec![watch(model, prompt, options)?]) } else { plain })
        };
        let requests = prompts.iter().enumerate().map(request).collect::<Result<Vec<_>>>()?;
        let answers = generate(Adapted::plain(model), args.sampling.batching(model.device()), requests, &mut ())?;
        synchronise(model.device());
        let ids = answers.into_iter().flatten().map(|answer: Answer| answer.ids).collect();
        Ok((start.elapsed().as_secs_f64(), ids))
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in 0..args.monitors {
        // Whoever comes second of a pair changes.
        let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
        let mut ids = Vec::new();
        for watched in order {
            let (seconds, own) = once(watched)?;
            if watched { &mut with } else { &mut without }.push(seconds);
            ids.push(own);
        }
        ensure!(ids[0] == ids[1], "monitors changed the tokens of a decode; please report this");
    }
    let mut ratios: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a / b).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    Ok(json!({"seconds_with": with, "seconds_without": without, "ratios": ratios, "median_ratio": median}))
}

fn watch(model: &Transformer, prompt: &[TokenId], options: &Options) -> Result<Box<dyn Intervention>> {
    let vocabulary = model.spec().vocab as i64;
    let ids = |from: i64| (0..WORDS).map(|i| (from + 2 * i) % vocabulary).collect();
    let tokens = Tokens { refusal: ids(0), compliance: ids(1), ends: vec![i64::from(model.spec().eos)] };
    let attention = options.schedule.plan().attention();
    let question = Question::of_model(Adapted::plain(model), prompt, attention)?;
    let (start, end) = (prompt.len(), prompt.len() + options.gen_length);
    let block = start..(start + 32).min(end);
    let making = Making { tokens: Arc::new(tokens), question: Some(question), block, layers: model.spec().layers };
    let all: Vec<&'static MonitorEntry> = MONITORS.iter().collect();
    Ok(Box::new(Watch::new(&all, &making, end, Arc::default())))
}
