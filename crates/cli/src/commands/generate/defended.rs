//! The same prompts, answered behind defences.

use super::{Job, ToWrite, forced};
use crate::args::GenerateArgs;
use crate::defences::{self, Defended, defended};
use crate::failure::Failure;
use crate::interrupt;
use crate::load::Loaded;
use crate::manifest::Fingerprints;
use crate::room::Room;
use anyhow::{Context, Result, ensure};
use mosa_engine::Options;
use mosa_runtime::{Ask, Runtime, RuntimeError, Settings, When, Words, Written};
use mosa_text::PromptRecord;
use std::io::BufWriter;

pub(super) fn run(
    args: &GenerateArgs,
    loaded: Loaded,
    options: &Options,
    prompts: &[PromptRecord],
) -> Result<(), Failure> {
    let runtime = opened(args, loaded, options)?;
    let asked = asks(args, &runtime, prompts)?;
    has_room(args, &runtime, options, &asked)?;
    let trace = args.trace.as_ref().map(|p| crate::written::trace(p)).transpose()?;
    let mut job = Job { args, text: runtime.text(), trace: trace.map(BufWriter::new), written: 0 };
    let _finishing = interrupt::finishing();
    for batch in asked.chunks(args.batch_size) {
        for answered in runtime.answered(options, batch).map_err(anyhow::Error::from)? {
            match answered {
                Ok(a) => {
                    let (answer, prompt_tokens) = (&a.answer, a.prompt);
                    job.write(&ToWrite {
                        answer,
                        prompt_tokens,
                        forwards: a.shown.forwards,
                        defences: &a.shown.defences,
                    })?;
                }
                Err(RuntimeError::Interrupted) => {
                    let (n, total) = (job.written, asked.len());
                    return Err(Failure::Interrupted(format!("interrupted: {n} of {total} answers were written")));
                }
                Err(error) => return Err(anyhow::Error::from(error).into()),
            }
        }
    }
    Ok(())
}

fn opened(args: &GenerateArgs, loaded: Loaded, options: &Options) -> Result<Runtime> {
    ensure!(
        !args.infill,
        "--infill fills the gaps of prompts as they are, and --defence may change them: give one of them"
    );
    let identity =
        defences::identity(&mut Fingerprints::default(), &loaded.dir, args.model.adapter.as_deref(), &args.defences)?;
    let batching = args.sampling.batching(loaded.model.device());
    let runtime = loaded.started(Settings { batching, batch_size: args.batch_size, stop: interrupt::stop() })?;
    let Defended { runtime, .. } = defended(runtime, options, &args.defences, &identity)?;
    Ok(runtime)
}

fn asks(args: &GenerateArgs, runtime: &Runtime, prompts: &[PromptRecord]) -> Result<Vec<Ask>> {
    let forced = forced(runtime.text(), args)?;
    let word =
        |&(offset, token)| Written { offset, words: Words::Tokens(vec![token]), when: When::Step(0), remask: false };
    let written: Vec<Written> = forced.iter().map(word).collect();
    let ask = |p: &PromptRecord| Ask { written: written.clone(), ..Ask::new(&p.id, p.prompt.clone()) };
    Ok(prompts.iter().map(ask).collect())
}

/// Refuses prompts that are too long as the defences rewrite them, all at once.
fn has_room(args: &GenerateArgs, runtime: &Runtime, options: &Options, asked: &[Ask]) -> Result<()> {
    let source = args.prompts.as_ref().map_or("--prompt".into(), |p| p.display().to_string());
    let (setting, response) = (Some("--gen-length"), options.gen_length);
    let tokens = |ask: &Ask| {
        let prompt = runtime.defences().rewritten(&ask.prompt)?;
        Ok(runtime.text().encode(&prompt).with_context(|| format!("prompt {}", ask.id))?.len())
    };
    let lengths = asked.iter().map(tokens).collect::<Result<Vec<_>>>()?;
    let room = Room { source: &source, setting, response, context: runtime.spec().max_length };
    room.holds(asked.iter().map(|ask| ask.id.as_str()).zip(lengths))
}
