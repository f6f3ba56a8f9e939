//! `mosa world measure`: attack success, prefill and utility of a model of the world.

use super::cases::{Case, Graded, cases};
use crate::args::WorldMeasureArgs;
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::{digest, interrupt, output};
use anyhow::{Context, Result};
use mosa_align::RunFolder;
use mosa_engine::{Batching, Options, Request, Schedule, generate};
use mosa_text::{Message, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::io::Write;
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
    /// Only cells whose name starts with one of these.
    pub cells: Option<Vec<String>>,
    /// Rows decoded together.
    #[serde(skip)]
    pub batch_size: usize,
    /// No progress bar.
    #[serde(skip)]
    pub quiet: bool,
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
    interrupt::install();
    let loaded = load(&args.model, &args.compute)?;
    let settings = Settings {
        n: args.n,
        seed: args.seed,
        steps: args.steps,
        block_length: args.block_length,
        cells: args.cells.clone(),
        batch_size: args.batch_size,
        quiet: args.compute.quiet,
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
    let manifest = json!({
        "mosa": env!("CARGO_PKG_VERSION"),
        "model": digest::of_model(&loaded.dir)?,
        "adapter": adapter.map(digest::of_model).transpose()?,
        "settings": settings,
    });
    let folder = RunFolder::open(out, &manifest)?;
    let path = folder.path("records.jsonl");
    let mut done = read_records(&path)?;
    let mut todo = cases(settings.n, settings.seed);
    if let Some(cells) = &settings.cells {
        todo.retain(|c| cells.iter().any(|cell| c.cell.starts_with(cell.as_str())));
    }
    todo.retain(|c| !done.iter().any(|r| r.cell == c.cell && r.id == c.id));
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let bar = output::bar(settings.quiet, todo.len())?;
    let options = options(settings, loaded);
    for batch in todo.chunks(settings.batch_size.max(1)) {
        if interrupt::asked() {
            return Err(Failure::Interrupted("interrupted; the same command answers the rest".into()));
        }
        bar.set_message(batch[0].cell.clone());
        for record in answer(batch, loaded, &options)? {
            writeln!(file, "{}", serde_json::to_string(&record)?)?;
            done.push(record);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(done)
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
        batching: Batching::Padded,
        ..Options::llada(loaded.ends())
    }
}

/// The request of a case.
pub(crate) fn request(case: &Case, loaded: &Loaded) -> Result<Request> {
    let ids = loaded.text.encode(&Prompt::Chat(vec![Message::user(&case.prompt)]))?;
    let forced = match &case.forced {
        Some((offset, words)) => (*offset..).zip(loaded.text.tokenizer.encode(words)?).collect(),
        None => Vec::new(),
    };
    Ok(Request::new(format!("{}/{}", case.cell, case.id), ids).with_forced(forced))
}

fn answer(batch: &[Case], loaded: &Loaded, options: &Options) -> Result<Vec<Answered>> {
    let requests = batch.iter().map(|case| request(case, loaded)).collect::<Result<Vec<_>>>()?;
    let answers = generate(loaded.pair(), options, requests, &mut ())?;
    let graded = answers.into_iter().flatten().zip(batch).map(|(answer, case)| {
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

fn read_records(path: &Path) -> Result<Vec<Answered>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let records: Vec<Answered> = text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    // A kill may have left half a line at the end.
    let whole: String = records.iter().map(|r| serde_json::to_string(r).map(|l| l + "\n")).collect::<Result<_, _>>()?;
    if whole != text {
        mosa_model::write_whole(path, whole.as_bytes())?;
    }
    Ok(records)
}
