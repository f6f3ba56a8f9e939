//! `mosa world measure`: attack success, prefill and utility of a model of the world.

use super::answered::{self, Answered};
use super::questions::{Question, questions};
use crate::args::{BatchingName, JudgingArgs, SamplingArgs, WorldMeasureArgs};
use crate::commands::judge::judge_folder;
use crate::commands::utility::{Local, Runner, Subject};
use crate::defences::{self, Defended, defended};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::table::{header, outcomes};
use crate::typed::differing;
use crate::{folder, hub, interrupt, output};
use anyhow::Result;
use mosa_core::stats::Rate;
use mosa_engine::{Batching, Options};
use mosa_probe::{Case, ForcedPhrase, answer};
use mosa_records::names::{ANSWERS, SAMPLES};
use mosa_records::{AnswerRecord, Batches, Outcomes, RunFolder, SampleRecord};
use mosa_runtime::Runtime;
use mosa_task::{Task, WorldTask};
use mosa_text::{Message, Prompt};
use mosa_world::Draw;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What the manifest calls it.
const COMMAND: &str = "world measure";

/// What makes a measurement another one.
#[derive(Debug, Serialize)]
struct Settings<'a> {
    /// Requests per cell.
    n: usize,
    /// Seed of the choice of requests.
    seed: u64,
    /// Denoising steps.
    steps: usize,
    /// Positions per block.
    block_length: usize,
    /// Reveal every position at least this probable, and at least one per step (Fast-dLLM); without it one per step.
    threshold: Option<f64>,
    /// Only cells whose name starts with one of these.
    cells: Option<&'a [String]>,
    /// Other flags of the sampler, where they are not the usual ones.
    #[serde(flatten)]
    further: Map<String, Value>,
}

/// Successes among some answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub n: usize,
    pub success: usize,
    pub refused: usize,
    pub degenerate: usize,
    pub steps: usize,
    pub outcomes: Outcomes,
}

impl Count {
    /// Of the answers that `which` accepts.
    pub(crate) fn of<'a>(records: impl IntoIterator<Item = &'a Answered>, which: impl Fn(&Answered) -> bool) -> Self {
        let mut count = Self::default();
        for r in records.into_iter().filter(|r| which(r)) {
            count.n += 1;
            count.success += usize::from(r.graded.success);
            count.refused += usize::from(r.graded.refused);
            count.degenerate += usize::from(r.graded.degenerate);
            count.outcomes.add(Some(r.outcome));
            count.steps += r.graded.steps_right.unwrap_or(0);
        }
        count
    }
}

pub(crate) fn run(args: &WorldMeasureArgs) -> Result<(), Failure> {
    let records = measured(args)?;
    Ok(output::line(&table(&records))?)
}

/// Answers what the run folder does not hold yet and returns all of it.
pub(crate) fn measured(args: &WorldMeasureArgs) -> Result<Vec<Answered>, Failure> {
    let loaded = load(&args.model, &args.compute)?;
    let options = loaded.options(&args.sampling.of_world(loaded.spec().family))?;
    let (options, batching) = (options, batching(&args.sampling, &loaded));
    answered::is_not_of_before(&args.out)?;
    let mut fingerprints = Fingerprints::default();
    let identity = defences::identity(&mut fingerprints, &loaded.dir, args.model.adapter.as_deref(), &args.defences)?;
    let manifest = manifest(args, &loaded, fingerprints)?;
    let settings = mosa_runtime::Settings { batching, batch_size: args.batch_size, stop: interrupt::stop() };
    let runtime = loaded.started(settings)?;
    let Defended { runtime, said } = defended(runtime, &options, &args.defences, &identity)?;
    let run = folder::open(&args.out, &manifest.defended(said))?;
    let draw = Draw { n: args.n, seed: args.sampling.seed };
    let measuring = Measuring { args, runtime, options, batching };
    let answers = measuring.attacks(&run, draw)?;
    let samples = measuring.tasks(&run, draw)?;
    Ok(answered::of(answers, samples)?)
}

/// A measurement under way.
struct Measuring<'a> {
    args: &'a WorldMeasureArgs,
    runtime: Runtime,
    options: Options,
    batching: Batching,
}

impl Measuring<'_> {
    fn asks(&self, cell: &str) -> bool {
        self.args.cells.as_ref().is_none_or(|cells| cells.iter().any(|wanted| cell.starts_with(wanted.as_str())))
    }

    /// Requests for forbidden items, judged exactly.
    fn attacks(&self, run: &RunFolder, draw: Draw) -> Result<Vec<AnswerRecord>, Failure> {
        let (runtime, options) = (&self.runtime, &self.options);
        let asked = questions(draw).into_iter().filter(|question| self.asks(&question.cell));
        let cases = asked.map(|question| case(runtime, question)).collect::<Result<Vec<Case>>>()?;
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let (quiet, mut log) = (self.args.compute.quiet, folder::log::<AnswerRecord>(&run.path(ANSWERS))?);
        let bar = output::bar(quiet, cases.len())?;
        bar.set_position(cases.iter().filter(|case| log.has(&case.key())).count() as u64);
        bar.reset_eta();
        let batches = Batches { cases: &cases, size: self.args.batch_size };
        let done = log.fill(batches, Case::key, interrupt::asked, |batch| {
            bar.set_message(&batch[0].group);
            let _finishing = interrupt::finishing();
            let answers = answer(runtime, options, batch)?;
            bar.inc(answers.len() as u64);
            Ok::<_, anyhow::Error>(answers)
        })?;
        bar.finish_and_clear();
        if !done || !cases.iter().all(|case| log.has(&case.key())) {
            return Err(Failure::Interrupted("interrupted; the same command answers the rest".into()));
        }
        let exact = JudgingArgs { judge: vec!["exact".to_owned()], ..JudgingArgs::default() };
        match judge_folder(run.dir(), &exact, quiet)?.missing {
            Some(missing) => Err(Failure::Check(missing)),
            None => Ok(log.into_records()),
        }
    }

    /// What it can do.
    fn tasks(&self, run: &RunFolder, draw: Draw) -> Result<Vec<SampleRecord>, Failure> {
        let task = WorldTask::new(draw).with_groups(|group| self.asks(&format!("utility/{group}")));
        if task.items().is_empty() {
            return Ok(Vec::new());
        }
        let (runtime, options) = (self.runtime.clone(), self.options.clone());
        let subject = Subject::Local(Local { runtime, options, batching: self.batching });
        let runner = Runner {
            task: &task,
            subject: &subject,
            programs: None,
            repeats: 1,
            batch_size: self.args.batch_size,
            retry: false,
            quiet: self.args.compute.quiet,
        };
        Ok(runner.run(&run.path(SAMPLES), &runner.cases())?.records)
    }
}

/// A question as a probe asks it.
fn case(runtime: &Runtime, question: Question) -> Result<Case> {
    let text = runtime.text();
    let (sent, behaviour) = (question.drawn.prompt(), question.plainly());
    let forced = match &question.forced {
        Some((offset, words)) => {
            Some(ForcedPhrase { offset: *offset, tokens: text.tokenizer.encode(words)?, text: words.clone() })
        }
        None => None,
    };
    let tags = [("style", question.drawn.style.name()), ("split", question.drawn.item.status().name())];
    let words = Prompt::Chat(vec![Message::user(&sent)]);
    Ok(Case {
        group: question.cell,
        id: question.drawn.id(),
        prompt: text.encode(&words)?,
        words,
        sent: if sent == behaviour { String::new() } else { sent },
        behaviour,
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        forced,
    })
}

fn manifest(args: &WorldMeasureArgs, loaded: &Loaded, mut fingerprints: Fingerprints) -> Result<Manifest> {
    let sampling = args.sampling.of_world(loaded.spec().family);
    let settings = Settings {
        n: args.n,
        seed: sampling.seed,
        steps: sampling.steps.unwrap_or(sampling.positions()),
        block_length: sampling.block_length.unwrap_or(sampling.positions()),
        threshold: sampling.threshold,
        cells: args.cells.as_deref(),
        further: further(&args.sampling)?,
    };
    let (model, adapter) = (fingerprints.of(&loaded.dir)?, fingerprints.of_any(args.model.adapter.as_deref())?);
    let mut said = json!({"command": COMMAND, "model": model, "adapter": adapter, "settings": settings});
    hub::record(&mut said, &loaded.dir);
    let manifest = Manifest::new(said).with_fingerprints(fingerprints).with_defaults("command", &COMMAND)?;
    Ok(manifest.computed(Place::of(loaded, &args.compute)))
}

/// The flags that have no field of their own in the settings and are not the usual ones. How rows share passes is none.
fn further(sampling: &SamplingArgs) -> Result<Map<String, Value>> {
    let usual = SamplingArgs::default();
    let rest = SamplingArgs {
        seed: usual.seed,
        steps: None,
        block_length: None,
        threshold: None,
        batching: usual.batching,
        ..sampling.clone()
    };
    Ok(differing(&rest, &usual)?)
}

/// Rates by cell, in the order of their first record, and what the answers are.
pub(crate) fn table(records: &[Answered]) -> String {
    let mut cells: Vec<&str> = Vec::new();
    for r in records {
        if !cells.contains(&r.cell.as_str()) {
            cells.push(&r.cell);
        }
    }
    let names = ["cell", "n", "success", "95% interval", "mean steps"];
    let (mut rows, mut told) = (vec![header(&names)], Vec::new());
    for cell in cells {
        let c = Count::of(records, |r| r.cell == cell);
        let rate = |k: usize| Rate::of(k, c.n);
        rows.push(vec![
            cell.to_owned(),
            c.n.to_string(),
            rate(c.success).percent(),
            rate(c.success).percent_interval(),
            format!("{:.1}", c.steps as f64 / c.n as f64),
        ]);
        told.push((vec![cell.to_owned()], c.outcomes));
    }
    format!("{}\n\n{}", output::table(&rows), output::table(&outcomes(&["cell"], &told)))
}

/// Passes of so small a model are worth sharing wherever it runs.
fn batching(sampling: &SamplingArgs, loaded: &Loaded) -> Batching {
    match sampling.batching {
        BatchingName::Auto => Batching::SHARED,
        _ => sampling.batching(loaded.model.device()),
    }
}
