//! `mosa world measure`: attack success, prefill and utility of a model of the world.

use super::questions::{Draw, Graded, Question, questions};
use crate::args::{BatchingName, SamplingArgs, WorldMeasureArgs};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::sampling::Shipped;
use crate::table::header;
use crate::typed::differing;
use crate::{folder, hub, interrupt, output};
use anyhow::Result;
use mosa_core::stats::Rate;
use mosa_engine::{Batching, Options, Request, generate};
use mosa_records::names::RECORDS;
use mosa_records::{Batches, Record};
use mosa_text::{Message, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

/// One judged answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub cell: String,
    pub id: String,
    pub style: Option<String>,
    pub split: Option<String>,
    pub prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced: Option<(usize, String)>,
    pub text: String,
    #[serde(flatten)]
    pub graded: Graded,
    pub forwards: usize,
}

impl Record for Answered {
    const SCHEMA: &'static str = "world-answer/1";

    fn key(&self) -> String {
        format!("{}/{}", self.cell, self.id)
    }
}

/// Successes among some answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub n: usize,
    pub success: usize,
    pub refused: usize,
    pub degenerate: usize,
    pub steps: usize,
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
            count.steps += r.graded.steps_right.unwrap_or(0);
        }
        count
    }

    pub(crate) fn rate(&self) -> f64 {
        self.success as f64 / self.n.max(1) as f64
    }
}

pub(crate) fn run(args: &WorldMeasureArgs) -> Result<(), Failure> {
    let records = measured(args)?;
    Ok(output::line(&table(&records))?)
}

/// Answers what the run folder does not hold yet and returns all records in order.
pub(crate) fn measured(args: &WorldMeasureArgs) -> Result<Vec<Answered>, Failure> {
    let loaded = load(&args.model, &args.compute)?;
    let options = options(&args.sampling, &loaded)?;
    let run = folder::open(&args.out, &manifest(args, &loaded)?)?;
    let mut log = folder::log::<Answered>(&run.path(RECORDS))?;
    let mut all = questions(Draw { n: args.n, seed: args.sampling.seed });
    if let Some(cells) = &args.cells {
        all.retain(|c| cells.iter().any(|cell| c.cell.starts_with(cell.as_str())));
    }
    let key = |c: &Question| format!("{}/{}", c.cell, c.id);
    let bar = output::bar(args.compute.quiet, all.len())?;
    bar.set_position(all.iter().filter(|c| log.has(&key(c))).count() as u64);
    bar.reset_eta();
    let decoding = Decoding { loaded: &loaded, options: &options, batching: batching(&args.sampling, &loaded) };
    let batches = Batches { cases: &all, size: args.batch_size };
    let done = log.fill(batches, key, interrupt::asked, |batch| {
        bar.set_message(&batch[0].cell);
        let _finishing = interrupt::finishing();
        let answered = decoding.answer(batch)?;
        bar.inc(answered.len() as u64);
        Ok::<_, anyhow::Error>(answered)
    })?;
    bar.finish_and_clear();
    if !done || !all.iter().all(|c| log.has(&key(c))) {
        return Err(Failure::Interrupted("interrupted; the same command answers the rest".into()));
    }
    Ok(log.into_records())
}

fn manifest(args: &WorldMeasureArgs, loaded: &Loaded) -> Result<Manifest> {
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
    let mut fingerprints = Fingerprints::default();
    let (model, adapter) = (fingerprints.of(&loaded.dir)?, fingerprints.of_any(args.model.adapter.as_deref())?);
    let mut said = json!({"model": model, "adapter": adapter, "settings": settings});
    hub::record(&mut said, &loaded.dir);
    Ok(Manifest::new(said).with_fingerprints(fingerprints).computed(Place::of(loaded, &args.compute)))
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

/// Rates by cell, in the order of their first record.
pub(crate) fn table(records: &[Answered]) -> String {
    let mut cells: Vec<&str> = Vec::new();
    for r in records {
        if !cells.contains(&r.cell.as_str()) {
            cells.push(&r.cell);
        }
    }
    let names = ["cell", "n", "success", "95% interval", "refused", "degenerate", "mean steps"];
    let mut rows = vec![header(&names)];
    for cell in cells {
        let c = Count::of(records, |r| r.cell == cell);
        let rate = |k: usize| Rate::of(k, c.n);
        rows.push(vec![
            cell.to_owned(),
            c.n.to_string(),
            rate(c.success).percent(),
            rate(c.success).percent_interval(),
            rate(c.refused).percent(),
            rate(c.degenerate).percent(),
            format!("{:.1}", c.steps as f64 / c.n as f64),
        ]);
    }
    output::table(&rows)
}

fn options(sampling: &SamplingArgs, loaded: &Loaded) -> Result<Options> {
    let family = loaded.spec().family;
    let options = sampling.of_world(family).options(family, loaded.ends(), &Shipped::read(&loaded.dir)?)?;
    options.check(loaded.spec())?;
    Ok(options)
}

/// Passes of so small a model are worth sharing wherever it runs.
fn batching(sampling: &SamplingArgs, loaded: &Loaded) -> Batching {
    match sampling.batching {
        BatchingName::Auto => Batching::SHARED,
        _ => sampling.batching(loaded.model.device()),
    }
}

/// How the questions are decoded.
struct Decoding<'a> {
    loaded: &'a Loaded,
    options: &'a Options,
    batching: Batching,
}

impl Decoding<'_> {
    fn answer(&self, batch: &[Question]) -> Result<Vec<Answered>> {
        let requests = batch.iter().map(|question| self.request(question)).collect::<Result<Vec<_>>>()?;
        let answers = generate(self.loaded.subject(), self.batching, requests, &mut interrupt::stop())?;
        let graded = answers.into_iter().map_while(|answer| answer).zip(batch).map(|(answer, question)| {
            let text = visible(question, &answer.ids, self.loaded)?;
            Ok(Answered {
                cell: question.cell.clone(),
                id: question.id.clone(),
                style: question.style.map(|s| s.name().to_owned()),
                split: question.split(),
                prompt: question.prompt.clone(),
                forced: question.forced.clone(),
                graded: question.grade(&text),
                text,
                forwards: answer.forwards,
            })
        });
        graded.collect()
    }

    fn request(&self, question: &Question) -> Result<Request> {
        let text = &self.loaded.text;
        let ids = text.encode(&Prompt::Chat(vec![Message::user(&question.prompt)]))?;
        let forced = match &question.forced {
            Some((offset, words)) => (*offset..).zip(text.tokenizer.encode(words)?).collect(),
            None => Vec::new(),
        };
        Ok(Request::new(format!("{}/{}", question.cell, question.id), ids, self.options).with_forced(forced))
    }
}

/// The words up to the first end token; where words were forced, up to the first end token behind them.
fn visible(question: &Question, ids: &[u32], loaded: &Loaded) -> Result<String> {
    let ends = loaded.text.special.ends();
    let from = match &question.forced {
        Some((offset, words)) => offset + words.split_whitespace().count(),
        None => 0,
    };
    let end = (from..ids.len()).find(|&i| ends.contains(&ids[i])).unwrap_or(ids.len());
    Ok(loaded.text.tokenizer.decode(&ids[..end], mosa_text::Specials::Skip)?)
}
