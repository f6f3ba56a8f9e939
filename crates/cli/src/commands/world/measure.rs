//! `mosa world measure`: attack success, prefill and utility of a model of the world.

use super::cases::{Case, Graded, cases};
use crate::args::{Compute, WorldMeasureArgs};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::{folder, hub, interrupt, output};
use anyhow::Result;
use mosa_engine::{Batching, Commit, Options, Request, Schedule, generate};
pub(crate) use mosa_records::names::RECORDS;
use mosa_records::{Batches, Record};
use mosa_text::{Message, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// Response positions of the world's model.
pub(crate) const CANVAS: usize = 96;

/// How a model is measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    /// Requests per cell.
    pub n: usize,
    /// Seed of the choice of requests.
    pub seed: u64,
    /// Denoising steps.
    pub steps: usize,
    /// Positions per block.
    pub block_length: usize,
    /// Reveal every position at least this probable, and at least one per step (Fast-dLLM); without it one per step.
    pub threshold: Option<f64>,
    /// Only cells whose name starts with one of these.
    pub cells: Option<Vec<String>>,
    /// Rows decoded together.
    #[serde(skip)]
    pub batch_size: usize,
    /// Where it is computed, and whether there is a progress bar.
    #[serde(skip)]
    pub compute: Compute,
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
    let loaded = load(&args.model, &args.compute)?;
    let settings = Settings {
        n: args.n,
        seed: args.seed,
        steps: args.steps,
        block_length: args.block_length,
        threshold: args.threshold,
        cells: args.cells.clone(),
        batch_size: args.batch_size,
        compute: args.compute.clone(),
    };
    let records = measure(&loaded, args.model.adapter.as_deref(), &settings, &args.out)?;
    Ok(output::line(&table(&records))?)
}

/// Answers what the run folder does not hold yet and returns all records in order.
pub(crate) fn measure(
    loaded: &Loaded,
    adapter: Option<&Path>,
    settings: &Settings,
    out: &Path,
) -> Result<Vec<Answered>, Failure> {
    let mut fingerprints = Fingerprints::default();
    let (model, adapter) = (fingerprints.of(&loaded.dir)?, fingerprints.of_any(adapter)?);
    let mut said = json!({"model": model, "adapter": adapter, "settings": settings});
    hub::record(&mut said, &loaded.dir);
    let manifest = Manifest::new(said).with_fingerprints(fingerprints).computed(Place::of(loaded, &settings.compute));
    let run = folder::open(out, &manifest)?;
    let mut log = folder::log::<Answered>(&run.path(RECORDS))?;
    let mut all = cases(settings.n, settings.seed);
    if let Some(cells) = &settings.cells {
        all.retain(|c| cells.iter().any(|cell| c.cell.starts_with(cell.as_str())));
    }
    let key = |c: &Case| format!("{}/{}", c.cell, c.id);
    let bar = output::bar(settings.compute.quiet, all.len())?;
    bar.set_position(all.iter().filter(|c| log.has(&key(c))).count() as u64);
    bar.reset_eta();
    let options = options(settings, loaded);
    let batches = Batches { cases: &all, size: settings.batch_size };
    let done = log.fill(batches, key, interrupt::asked, |batch| {
        bar.set_message(&batch[0].cell);
        let _finishing = interrupt::finishing();
        let answered = answer(batch, loaded, &options)?;
        bar.inc(answered.len() as u64);
        Ok::<_, anyhow::Error>(answered)
    })?;
    bar.finish_and_clear();
    if !done || !all.iter().all(|c| log.has(&key(c))) {
        return Err(Failure::Interrupted("interrupted; the same command answers the rest".into()));
    }
    Ok(log.into_records())
}

/// Rates by cell, in the order of their first record.
pub(crate) fn table(records: &[Answered]) -> String {
    let mut cells: Vec<&str> = Vec::new();
    for r in records {
        if !cells.contains(&r.cell.as_str()) {
            cells.push(&r.cell);
        }
    }
    let header = ["cell", "n", "success", "95% interval", "refused", "degenerate", "mean steps"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for cell in cells {
        let c = Count::of(records, |r| r.cell == cell);
        let (low, high) = mosa_core::wilson(c.success, c.n);
        let percent = |k: usize| format!("{:.0}%", 100.0 * k as f64 / c.n as f64);
        rows.push(vec![
            cell.to_owned(),
            c.n.to_string(),
            percent(c.success),
            format!("{:.0}-{:.0}", 100.0 * low, 100.0 * high),
            percent(c.refused),
            percent(c.degenerate),
            format!("{:.1}", c.steps as f64 / c.n as f64),
        ]);
    }
    output::table(&rows)
}

fn options(settings: &Settings, loaded: &Loaded) -> Options {
    Options {
        gen_length: CANVAS,
        schedule: Schedule::Blocks { steps: settings.steps, block_length: settings.block_length },
        commit: settings.threshold.map_or(Commit::LowConfidence, Commit::Threshold),
        stop_at_end: true,
        ..Options::llada(loaded.ends())
    }
}

/// The request of a case.
pub(crate) fn request(case: &Case, loaded: &Loaded, options: &Options) -> Result<Request> {
    let ids = loaded.text.encode(&Prompt::Chat(vec![Message::user(&case.prompt)]))?;
    let forced = match &case.forced {
        Some((offset, words)) => (*offset..).zip(loaded.text.tokenizer.encode(words)?).collect(),
        None => Vec::new(),
    };
    Ok(Request::new(format!("{}/{}", case.cell, case.id), ids, options).with_forced(forced))
}

fn answer(batch: &[Case], loaded: &Loaded, options: &Options) -> Result<Vec<Answered>> {
    let requests = batch.iter().map(|case| request(case, loaded, options)).collect::<Result<Vec<_>>>()?;
    let answers = generate(loaded.subject(), Batching::SHARED, requests, &mut interrupt::stop())?;
    let graded = answers.into_iter().map_while(|answer| answer).zip(batch).map(|(answer, case)| {
        let text = visible(case, &answer.ids, loaded)?;
        Ok(Answered {
            cell: case.cell.clone(),
            id: case.id.clone(),
            style: case.style.map(|s| s.name().to_owned()),
            split: case.split(),
            prompt: case.prompt.clone(),
            forced: case.forced.clone(),
            graded: case.grade(&text),
            text,
            forwards: answer.forwards,
        })
    });
    graded.collect()
}

/// The words up to the first end token; where words were forced, up to the first end token behind them.
fn visible(case: &Case, ids: &[u32], loaded: &Loaded) -> Result<String> {
    let ends = loaded.text.special.ends();
    let from = match &case.forced {
        Some((offset, words)) => offset + words.split_whitespace().count(),
        None => 0,
    };
    let end = (from..ids.len()).find(|&i| ends.contains(&ids[i])).unwrap_or(ids.len());
    Ok(loaded.text.tokenizer.decode(&ids[..end], mosa_text::Specials::Skip)?)
}
