//! `mosa generate`: answer prompts.

mod defended;
mod recorded;

use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::live::Live;
use crate::load::{Loaded, load};
use crate::room::Room;
use crate::{interrupt, output};
use anyhow::{Context, Result, ensure};
use mosa_core::TokenId;
use mosa_engine::{Answer, Options, Request, generate};
use mosa_records::DefenceAct;
use mosa_text::{Message, Prompt, PromptRecord, Specials, TextModel};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};

/// One line of `--json`. Nothing in it depends on time or batch size.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    /// The answer up to the first end token, without special tokens.
    text: String,
    /// All decoded tokens without special ones, as the published scripts print them.
    text_full: String,
    ids: &'a [TokenId],
    finish_reason: &'a str,
    forwards: usize,
    prompt_tokens: usize,
    /// With `--infill`, the prompt with its gaps filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_filled: Option<String>,
    /// What defences did to it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    defences: &'a [DefenceAct],
}

/// An answer that is to be written.
struct ToWrite<'a> {
    answer: &'a Answer,
    prompt_tokens: usize,
    /// Model calls, those of defences included.
    forwards: usize,
    defences: &'a [DefenceAct],
}

pub(crate) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        return recorded::run(args, out);
    }
    if args.parts.is_given() {
        return Err(anyhow::anyhow!("--out is needed with --shard and --join: the run folder").into());
    }
    let prompts = prompts(args)?;
    let loaded = load(&args.model, &args.compute)?;
    let options = loaded.options(&args.sampling)?;
    if !args.defences.defence.is_empty() {
        return defended::run(args, loaded, &options, &prompts);
    }
    let requests = prompts.iter().map(|p| request(&loaded, p, args, &options)).collect::<Result<Vec<_>>>()?;
    let source = args.prompts.as_ref().map_or("--prompt".into(), |p| p.display().to_string());
    let (setting, response) = (Some("--gen-length"), options.gen_length);
    Room { source: &source, setting, response, context: loaded.spec().max_length }
        .holds(requests.iter().map(|r| (r.id.as_str(), r.prompt.len())))?;
    for request in &requests {
        request.check(loaded.spec())?;
    }
    let trace = args.trace.as_ref().map(|p| crate::written::trace(p)).transpose()?;
    let mut job = Job { args, text: &loaded.text, trace: trace.map(BufWriter::new), written: 0 };
    let total = requests.len();
    let mut live = Live::new(&loaded.text, total, args.compute.quiet)?;
    let finished = {
        // Answers of a batch that are complete are written, whenever its decoding ends.
        let _finishing = interrupt::finishing();
        job.decode(&loaded, requests, &mut live)
    };
    live.finish();
    finished?;
    if job.written < total {
        return Err(Failure::Interrupted(format!("interrupted: {} of {total} answers were written", job.written)));
    }
    Ok(())
}

struct Job<'a> {
    args: &'a GenerateArgs,
    text: &'a TextModel,
    trace: Option<BufWriter<File>>,
    written: usize,
}

impl Job<'_> {
    /// Decodes batch after batch; every answer is written as soon as its batch is done, in the order of the input.
    fn decode(&mut self, loaded: &Loaded, requests: Vec<Request>, live: &mut Live<'_>) -> Result<()> {
        let mut rest = requests.into_iter();
        loop {
            let batch: Vec<Request> = rest.by_ref().take(self.args.batch_size).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let lengths: Vec<usize> = batch.iter().map(|r| r.prompt.len()).collect();
            let batching = self.args.sampling.batching(loaded.model.device());
            let answers = generate(loaded.subject(), batching, batch, live)?;
            for (answer, prompt_tokens) in answers.iter().zip(lengths) {
                let Some(answer) = answer else { return Ok(()) };
                live.suspend(|| {
                    self.write(&ToWrite { answer, prompt_tokens, forwards: answer.forwards, defences: &[] })
                })?;
                live.answered();
            }
        }
    }

    fn write(&mut self, written: &ToWrite<'_>) -> Result<()> {
        let ToWrite { answer, prompt_tokens, forwards, defences } = *written;
        let text = self.text.answer(&answer.ids)?;
        if self.args.json {
            let text_full = self.text.tokenizer.decode(&answer.ids, Specials::Skip)?;
            let finish_reason = answer.finish.name();
            let prompt_filled = answer.prompt.as_ref().map(|p| self.text.tokenizer.decode(p, Specials::Keep));
            let prompt_filled = prompt_filled.transpose()?;
            let (id, ids) = (answer.id.as_str(), answer.ids.as_slice());
            output::json(&Record {
                id,
                text,
                text_full,
                ids,
                finish_reason,
                forwards,
                prompt_tokens,
                prompt_filled,
                defences,
            })?;
        } else if self.args.prompt.is_some() {
            output::line(&text)?;
        } else {
            output::line(&format!("[{}]\n{text}\n", answer.id))?;
        }
        if let Some(file) = &mut self.trace {
            write_trace(file, self.text, answer, prompt_tokens)?;
        }
        self.written += 1;
        Ok(())
    }
}

#[derive(Serialize)]
struct TraceLine<'a> {
    id: &'a str,
    block: usize,
    step: usize,
    clock: u64,
    full: bool,
    edits: Vec<TraceEdit>,
}

#[derive(Serialize)]
struct TraceEdit {
    /// Response offset; negative inside the prompt.
    offset: i64,
    token: TokenId,
    text: String,
    before: TokenId,
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
}

fn write_trace(file: &mut BufWriter<File>, text: &TextModel, answer: &Answer, prompt_tokens: usize) -> Result<()> {
    for record in &answer.trace.steps {
        let edits = record
            .edits
            .iter()
            .map(|e| {
                Ok(TraceEdit {
                    offset: e.position as i64 - prompt_tokens as i64,
                    token: e.token,
                    text: text.tokenizer.decode(&[e.token], Specials::Keep)?,
                    before: e.before,
                    cause: e.cause.name(),
                    confidence: e.confidence,
                })
            })
            .collect::<Result<_>>()?;
        let step = record.step;
        let line = TraceLine {
            id: &answer.id,
            block: step.block,
            step: step.step,
            clock: step.clock,
            full: record.full,
            edits,
        };
        serde_json::to_writer(&mut *file, &line)?;
        writeln!(file)?;
    }
    file.flush().context("cannot write the trace")
}

fn prompts(args: &GenerateArgs) -> Result<Vec<PromptRecord>> {
    match (&args.prompt, &args.prompts) {
        (_, Some(file)) => Ok(args.select.read(file, args.sampling.seed, args.compute.quiet)?.records),
        (Some(text), None) => {
            ensure!(!text.is_empty(), "--prompt is empty");
            let prompt =
                if args.select.raw { Prompt::Raw(text.clone()) } else { Prompt::Chat(vec![Message::user(text)]) };
            Ok(vec![PromptRecord::new("prompt", prompt)])
        }
        (None, None) => anyhow::bail!("--prompt or --prompts is needed"),
    }
}

fn request(loaded: &Loaded, record: &PromptRecord, args: &GenerateArgs, options: &Options) -> Result<Request> {
    let text = &loaded.text;
    let ids = if args.infill { text.encode_gaps(&record.prompt) } else { text.encode(&record.prompt) };
    let ids = ids.with_context(|| format!("prompt {}", record.id))?;
    let request = Request::new(&record.id, ids, options).with_forced(forced(text, args)?);
    Ok(if args.infill { request.with_infill() } else { request })
}

/// The tokens of all `--force` phrases.
fn forced(text: &TextModel, args: &GenerateArgs) -> Result<Vec<(usize, TokenId)>> {
    let mut out: Vec<(usize, TokenId)> = Vec::new();
    for (offset, words) in &args.force {
        let ids = text.words(words).with_context(|| format!("--force {offset}"))?;
        let end = offset + ids.len();
        ensure!(
            end <= args.sampling.positions(),
            "--force {offset}:{words}: {} tokens from offset {offset} do not fit into the response of {} positions",
            ids.len(),
            args.sampling.positions()
        );
        for (at, token) in (*offset..).zip(ids) {
            ensure!(out.iter().all(|(taken, _)| *taken != at), "--force {offset}:{words}: offset {at} is forced twice");
            out.push((at, token));
        }
    }
    Ok(out)
}
