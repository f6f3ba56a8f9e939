//! Many requests, decoded together.

use crate::TargetError;
use crate::constrained;
use crate::edit::Write;
use crate::layout::{Layout, lay_out, words};
use crate::local::Subject;
use mosa_attack::{Generate, Generation};
use mosa_core::{Interrupt, TokenId};
use mosa_engine::{Answer, Batching, Intervention, Options, Request, generate};
use mosa_probe::shown;
use mosa_text::TextModel;

/// What a request is told that a stop left without an answer.
pub(crate) const STOPPED: &str = "\u{1f}interrupted";

/// Response offset and tokens written before a step; whether the rest is masked again.
type Writes = Vec<(u64, Vec<(usize, TokenId)>, bool)>;

/// A request, laid out.
struct Ready {
    layout: Layout,
    options: Options,
    writes: Writes,
    draw: u64,
    forwards: usize,
}

/// Answers every request; one that does not fit the model is an error of its own.
pub(crate) fn decode(
    subject: Subject<'_>,
    (text, options, batching): (&TextModel, &Options, Batching),
    asked: &[(u64, Generate)],
    stop: &Interrupt,
) -> Vec<Result<Generation, String>> {
    let mut ready: Vec<Result<Ready, TargetError>> =
        asked.iter().map(|(draw, g)| prepare(subject, (text, options), *draw, g)).collect();
    let mut out: Vec<Option<Result<Generation, String>>> = ready.iter().map(|_| None).collect();
    while let Some(first) = (0..ready.len()).find(|&i| out[i].is_none() && ready[i].is_ok()) {
        // Whoever shares the sampler settings shares the decode.
        let Some(settings) = ready[first].as_ref().ok().map(|r| r.options.clone()) else { break };
        let group: Vec<usize> = (first..ready.len())
            .filter(|&i| out[i].is_none() && ready[i].as_ref().is_ok_and(|r| r.options == settings))
            .collect();
        let rows: Vec<&Ready> = group.iter().filter_map(|&i| ready[i].as_ref().ok()).collect();
        for (i, answer) in group.iter().zip(together(subject, (text, &settings, batching), &rows, stop)) {
            out[*i] = Some(answer);
        }
    }
    out.into_iter()
        .zip(ready.iter_mut())
        .map(|(answer, ready)| match (answer, ready) {
            (Some(answer), _) => answer,
            (None, Err(e)) => Err(e.to_string()),
            (None, Ok(_)) => Err("the request was not decoded".into()),
        })
        .collect()
}

fn prepare(
    subject: Subject<'_>,
    (text, options): (&TextModel, &Options),
    draw: u64,
    asked: &Generate,
) -> Result<Ready, TargetError> {
    let wanted = asked.gen_length.unwrap_or(options.gen_length);
    let mut layout = lay_out(text, asked, wanted)?;
    let mut options = options.resized(layout.gen_length);
    if asked.infill {
        // One position per step, whatever the template: as the published code of DIJA does.
        options = options.one_per_step();
    }
    options.temperature = asked.temperature;
    let mut forwards = 0;
    if let Some(constraint) = &asked.constraint {
        forwards = constrained::choose(subject, text, (constraint, asked.temperature, draw), &mut layout)?;
    }
    let mut writes = Vec::new();
    for f in asked.forced.iter().filter(|f| f.step > 0) {
        let tokens: Vec<(usize, TokenId)> = (f.offset..).zip(words(text, f.offset, &f.text)?).collect();
        if let Some((offset, _)) = tokens.iter().find(|(at, _)| *at >= layout.gen_length) {
            let what = format!("words are written at response offset {offset} of {}", layout.gen_length);
            return Err(TargetError::Request(what));
        }
        writes.push((f.step as u64, tokens, f.remask));
    }
    Ok(Ready { layout, options, writes, draw, forwards })
}

/// Rows with the same settings. If one of them cannot be decoded, each is tried alone, so that it fails alone.
fn together(
    subject: Subject<'_>,
    (text, options, batching): (&TextModel, &Options, Batching),
    rows: &[&Ready],
    stop: &Interrupt,
) -> Vec<Result<Generation, String>> {
    match decoded(subject, (text, batching), rows, stop) {
        Ok(answers) => answers.into_iter().map(|a| a.unwrap_or_else(|| Err(STOPPED.to_owned()))).collect(),
        Err(error) if rows.len() == 1 => vec![Err(error.to_string())],
        Err(_) => rows.iter().flat_map(|row| together(subject, (text, options, batching), &[row], stop)).collect(),
    }
}

fn decoded(
    subject: Subject<'_>,
    (text, batching): (&TextModel, Batching),
    rows: &[&Ready],
    stop: &Interrupt,
) -> Result<Vec<Option<Result<Generation, String>>>, TargetError> {
    let requests = rows.iter().map(|r| request(r)).collect();
    let answers = generate(subject, batching, requests, &mut stop.clone())?;
    let one = |(answer, row): (Option<Answer>, &&Ready)| {
        let Some(answer) = answer else { return Ok(None) };
        if let Some(what) = unwritten(&answer, &row.writes) {
            return Ok(Some(Err(what)));
        }
        let shown = shown(text, &answer, row.layout.prompt.len(), range(row))?;
        Ok(Some(Ok(Generation {
            texts: shown.texts,
            pieces: shown.pieces,
            steps: shown.steps,
            confidences: shown.confidences,
            finish: shown.finish,
            forwards: answer.forwards + row.forwards,
            ..Generation::default()
        })))
    };
    answers.into_iter().zip(rows).map(one).collect()
}

/// What was to be written into an answer that was complete before. It says nothing about the attack that asked for it.
fn unwritten(answer: &Answer, writes: &Writes) -> Option<String> {
    let steps = answer.trace.steps.last().map_or(0, |record| record.step.clock + 1);
    let late = writes.iter().map(|(step, ..)| *step).find(|step| *step >= steps)?;
    Some(format!(
        "words are written before step {late}, but the answer was complete after {steps} steps; decode in more steps (--steps, \
         a higher --threshold) or write sooner"
    ))
}

/// Response offsets between which words were written from outside.
fn range(row: &Ready) -> Option<(usize, usize)> {
    let written = row.writes.iter().flat_map(|(_, tokens, _)| tokens.iter().map(|(at, _)| *at));
    let all: Vec<usize> = row.layout.forced_range().into_iter().flat_map(|(a, b)| [a, b - 1]).chain(written).collect();
    Some((*all.iter().min()?, all.iter().max()? + 1))
}

/// The key of every draw is the request's, so the company it is decoded in changes nothing.
fn request(row: &Ready) -> Request {
    let keep: Vec<usize> = row.layout.forced.iter().map(|(at, _)| *at).collect();
    let edits = row.writes.iter().map(|(step, tokens, remask)| {
        let write = Write { step: *step, tokens: tokens.clone(), remask: *remask, keep: keep.clone(), done: false };
        Box::new(write) as Box<dyn Intervention>
    });
    Request::new(format!("{:016x}", row.draw), row.layout.prompt.clone(), &row.options)
        .with_forced(row.layout.forced.iter().copied())
        .with_interventions(edits.collect())
}
