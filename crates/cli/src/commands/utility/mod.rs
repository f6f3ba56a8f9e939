//! `mosa utility`: what a model can do, by published protocols.

mod answers;
mod case;
mod list;
mod local;
mod opened;
mod programs;
mod remote;
mod runner;
mod settings;
mod subject;

pub(crate) use local::Local;
pub(crate) use runner::Runner;
pub(crate) use subject::Subject;

use crate::args::UtilityArgs;
use crate::defences;
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::parts::{Done, Parted};
use crate::{output, table};
use anyhow::{Context, Result};
use mosa_eval::Run;
use mosa_eval::utility::{Plain, plain};
use mosa_records::Cases;
use mosa_records::names::SAMPLES;
use mosa_task::{Ask, Choice, Task, TaskFile, WorldTask};
use opened::Opened;
use programs::Programs;
use runner::Ran;
use serde_json::{Value, json};
use std::path::Path;

/// Items asked together, if nothing else is said: where the model writes, and where it chooses.
const WRITTEN: usize = 16;
const CHOSEN: usize = 64;

pub(crate) fn run(args: &UtilityArgs) -> Result<(), Failure> {
    match (args.task.as_str(), &args.shown) {
        ("list", None) => list::print(),
        ("show", Some(name)) => Ok(list::show(name, args.items.protocol.as_deref())?),
        ("show", None) => Err(anyhow::anyhow!("show what? mosa utility show gsm8k").into()),
        (_, Some(more)) => Err(anyhow::anyhow!("{more:?} is one word too many; only `show` takes a second").into()),
        (_, None) => measure(args),
    }
}

/// Measures what has no record yet, and says what came of all of it.
fn measure(args: &UtilityArgs) -> Result<(), Failure> {
    let out = args.out.as_deref().context("--out is needed: the run folder")?;
    let task = task(args)?;
    settings::check(args, task.ask())?;
    let batch_size = args.subject.batch_size.unwrap_or(match task.ask() {
        Ask::Generate(_) => WRITTEN,
        Ask::Choose(_) => CHOSEN,
    });
    if args.subject.model.is_none() {
        defences::refused_without_model(&args.defences)?;
    }
    let programs = task.runs_programs().then(|| Programs::open(&args.programs, args.compute.quiet)).transpose()?;
    let opened = subject::open(args, task.as_ref(), batch_size)?;
    let source = args.items.data.as_ref().map_or_else(|| args.task.clone(), |path| path.display().to_string());
    opened.subject.has_room(task.as_ref(), &source)?;
    if let (Subject::Local(local), 2.., false) = (&opened.subject, args.items.repeats, args.compute.quiet)
        && local.options.temperature == 0.0
    {
        output::say(
            "note: --repeats without --temperature: where the sampler draws nothing, all answers to an item are the same",
        );
    }
    let asked = Asked { args, task: task.as_ref(), programs: programs.as_ref(), batch_size };
    let (manifest, subject) = asked.identity(opened)?;
    let runner = Runner {
        task: task.as_ref(),
        subject: &subject,
        programs: programs.as_ref(),
        repeats: args.items.repeats,
        batch_size,
        retry: args.retry,
        quiet: args.compute.quiet,
    };
    let (cases, before) = (runner.cases(), subject.forward_seconds());
    // The attempts at an item stay together, and where company may change an answer, those of a batch.
    let repeats = args.items.repeats.max(1);
    let unit = if subject.is_independent() { repeats } else { least_common_multiple(repeats, batch_size) };
    let parts = Cases { total: cases.len(), unit };
    let parted =
        Parted { args: &args.parts, out, manifest: &manifest, cases: parts, judges: false, quiet: args.compute.quiet };
    let done = parted.work(|run, range| runner.run(&run.path(SAMPLES), &cases[range]).map(Done::whole))?;
    let Some(Done { value: ran, .. }) = done else { return Ok(()) };
    let forward = before.zip(subject.forward_seconds()).map(|(before, after)| after - before);
    finish(args, out, &ran, forward)
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a / x.max(1) * b
}

/// The task that is named, with the items that are chosen.
pub(crate) fn task(args: &UtilityArgs) -> Result<Box<dyn Task>> {
    let items = &args.items;
    let file = match args.task.as_str() {
        WorldTask::NAME => return Ok(Box::new(settings::world(items, args.sampling.seed)?)),
        name if name.ends_with(".toml") => settings::own(Path::new(name), items.protocol.as_deref())?,
        name => TaskFile::built_in(name, items.protocol.as_deref())?,
    };
    let data = items.data.as_deref().context("--data is needed: the benchmark's folder or file")?;
    let choice = Choice {
        groups: items.groups.clone().unwrap_or_default(),
        limit: items.limit,
        sample: items.sample,
        seed: args.sampling.seed,
        shots: items.shots,
        shots_file: items.shots_file.clone(),
    };
    Ok(Box::new(file.load(data, &choice)?))
}

/// What is asked, as far as the manifest tells it.
struct Asked<'a> {
    args: &'a UtilityArgs,
    task: &'a dyn Task,
    programs: Option<&'a Programs>,
    batch_size: usize,
}

impl Asked<'_> {
    /// The manifest of the run, and whom it asks.
    fn identity(&self, opened: Opened<Subject>) -> Result<(Manifest, Subject)> {
        let Opened { subject, said, fingerprints, place } = opened;
        let mut whole = self.said()?;
        for (key, value) in said.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        // Where company may change an answer, it is part of the run.
        if !subject.is_independent() {
            whole["batch_size"] = json!(self.batch_size);
        }
        let defences = whole["defences"].take();
        let mut manifest = Manifest::new(whole).with_fingerprints(fingerprints);
        if defences.is_array() {
            manifest = manifest.defended(defences);
        }
        if let Some(place) = place {
            manifest = manifest.computed(place);
        }
        if let Subject::Local(local) = &subject {
            manifest = match self.task.ask() {
                Ask::Generate(_) => manifest.sampled(&local.options, local.batching)?,
                Ask::Choose(_) => manifest.with_batching(local.batching)?,
            };
        }
        Ok((manifest, subject))
    }

    /// The part of it that is the same whoever is asked.
    fn said(&self) -> Result<Value> {
        let Self { args, task, programs, .. } = self;
        // A part says itself under `shard`, and has fewer items.
        let mut said = json!({
            "command": "utility",
            "task": task.name(),
            "protocol": task.protocol(),
            "label": args.subject.label,
            "metrics": task.metrics(),
            "benchmark": task.said(),
            "shard": Value::Null,
            "repeats": args.items.repeats,
            "items": task.items().len(),
            "seed": args.sampling.seed,
            "sandbox": programs.map(Programs::said).transpose()?,
        });
        if let Ask::Choose(how) = task.ask() {
            said["estimate"] = json!(how.estimate);
        }
        Ok(said)
    }
}

/// Prints what came of a run.
fn finish(args: &UtilityArgs, out: &Path, ran: &Ran, forward: Option<f64>) -> Result<(), Failure> {
    let Plain { rows, below } = plain(&Run::read(out, false)?);
    output::line(&table::below(output::table(&rows), &below))?;
    if !args.compute.quiet {
        if ran.asked > 0 {
            let (took, n) = (ran.took.as_secs_f64(), ran.asked);
            let share = forward.map(|s| format!(", {:.1}% of it in forward passes", 100.0 * s / took.max(1e-9)));
            let share = share.unwrap_or_default();
            output::say(&format!("{n} answers in {took:.1} s ({:.3} s each){share}", took / n as f64));
        }
        let run = out.display();
        output::say(&format!("records in {run}; compare and draw with: mosa report {run} ... --out report.html"));
    }
    Ok(())
}
