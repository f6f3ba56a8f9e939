//! The answers in a run folder, so that they can be judged, drawn, gone on with and done in parts.

use crate::args::{GenerateArgs, ProbeArgs};
use crate::commands::probe::Opened;
use crate::failure::Failure;
use crate::{interrupt, output};
use anyhow::{Context, Result, bail};
use mosa_probe::{Case, ForcedPhrase, answer, plain};
use mosa_records::names::ANSWERS;
use mosa_records::{AnswerRecord, Batches};
use mosa_text::TextModel;
use serde_json::json;
use std::path::Path;

/// What the answers are counted under.
const GROUP: &str = "generate";

pub(super) fn run(args: &GenerateArgs, out: &Path) -> Result<(), Failure> {
    let prompts = args.prompts.clone().context("--prompts is needed with --out")?;
    let common = ProbeArgs {
        compute: args.compute.clone(),
        select: args.select.clone(),
        defences: args.defences.clone(),
        parts: args.parts.clone(),
        batch_size: args.batch_size,
        ..ProbeArgs::new(args.model.clone(), prompts, out.to_owned())
    };
    let opened = Opened::new(GROUP, &common, &args.sampling, json!({"force": args.force}))?;
    let text = opened.runtime.text();
    let forced = forced(text, args)?;
    let case = |prompt| Ok(Case { forced: forced.clone(), ..plain(text, prompt, GROUP)? });
    let cases = opened.behaviours.iter().map(case).collect::<Result<Vec<Case>>>()?;
    opened.has_room(&common.behaviors, &cases)?;
    let batches = Batches { cases: &cases, size: args.batch_size };
    let done = opened.recorded(ANSWERS, batches, Case::key, |batch| {
        let _finishing = interrupt::finishing();
        Ok(answer(&opened.runtime, &opened.options, batch)?)
    })?;
    let answers: Vec<AnswerRecord> = match done {
        Some(answers) if !args.compute.quiet => answers,
        _ => return Ok(()),
    };
    let (n, run) = (answers.len(), out.display());
    output::say(&format!("{n} answers in {run}; judge them with: mosa judge {run}"));
    Ok(())
}

/// The phrase that is forced; a record of an answer has one.
fn forced(text: &TextModel, args: &GenerateArgs) -> Result<Option<ForcedPhrase>> {
    // Looks at all of them as without --out, so that what is wrong with one is said alike.
    super::forced(text, args)?;
    match args.force.as_slice() {
        [] => Ok(None),
        [(offset, words)] => {
            let tokens = text.words(words).with_context(|| format!("--force {offset}"))?;
            Ok(Some(ForcedPhrase { offset: *offset, tokens, text: words.clone() }))
        }
        _ => bail!(
            "--force is given several times, and with --out one phrase can be recorded; leave --out away, or use `mosa attack`"
        ),
    }
}
