//! `mosa world measure`: attack success, prefill and utility of a model of the world.

use super::cases::{Case, Graded, cases};
use crate::args::WorldMeasureArgs;
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::{digest, interrupt, output};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mosa_align::RunFolder;
use mosa_engine::{Batching, Options, Request, Schedule, generate};
use mosa_text::{Message, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// One judged answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub cell: String,
    pub id: String,
    pub prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced: Option<(usize, String)>,
    pub text: String,
    #[serde(flatten)]
    pub graded: Graded,
    pub forwards: usize,
}

/// Successes of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub n: usize,
    pub success: usize,
    pub refused: usize,
    pub degenerate: usize,
    pub steps: usize,
}

pub(crate) fn run(args: &WorldMeasureArgs) -> Result<(), Failure> {
    interrupt::install();
    let loaded = load(&args.model, &args.compute)?;
    let adapter = args.model.adapter.as_ref().map(|a| digest::of_model(a)).transpose()?;
    let manifest = json!({
        "mosa": env!("CARGO_PKG_VERSION"),
        "model": digest::of_model(&loaded.dir)?,
        "adapter": adapter,
        "n": args.n, "seed": args.seed, "steps": args.steps, "block_length": args.block_length,
    });
    let folder = RunFolder::open(&args.out, &manifest)?;
    let records = answer_all(args, &loaded, &folder)?;
    let Some(records) = records else {
        return Err(Failure::Interrupted("interrupted; the same command answers the rest".into()));
    };
    let mut rows = vec![
        ["cell", "n", "success", "95% interval", "refused", "degenerate", "mean steps"].map(str::to_owned).to_vec(),
    ];
    for (cell, c) in counts(&records) {
        let (low, high) = mosa_core::wilson(c.success, c.n);
        let percent = |k: usize| format!("{:.0}%", 100.0 * k as f64 / c.n as f64);
        rows.push(vec![
            cell,
            c.n.to_string(),
            percent(c.success),
            format!("{:.0}-{:.0}", 100.0 * low, 100.0 * high),
            percent(c.refused),
            percent(c.degenerate),
            format!("{:.1}", c.steps as f64 / c.n as f64),
        ]);
    }
    output::line(&output::table(&rows))?;
    Ok(())
}

/// Cells in the order of their first record.
pub(crate) fn counts(records: &[Answered]) -> Vec<(String, Count)> {
    let mut order: Vec<String> = Vec::new();
    let mut all: BTreeMap<String, Count> = BTreeMap::new();
    for r in records {
        let count = all.entry(r.cell.clone()).or_insert_with(|| {
            order.push(r.cell.clone());
            Count::default()
        });
        count.n += 1;
        count.success += usize::from(r.graded.success);
        count.refused += usize::from(r.graded.refused);
        count.degenerate += usize::from(r.graded.degenerate);
        count.steps += r.graded.steps_right.unwrap_or(0);
    }
    order.into_iter().map(|cell| (cell.clone(), all[&cell])).collect()
}

/// Answers what records.jsonl does not hold yet; `None` if interrupted.
fn answer_all(args: &WorldMeasureArgs, loaded: &Loaded, folder: &RunFolder) -> Result<Option<Vec<Answered>>> {
    let path = folder.path("records.jsonl");
    let mut done = read_records(&path)?;
    let mut todo = cases(args.n, args.seed);
    if let Some(cells) = &args.cells {
        todo.retain(|c| cells.iter().any(|cell| c.cell.starts_with(cell.as_str())));
    }
    todo.retain(|c| !done.iter().any(|r| r.cell == c.cell && r.id == c.id));
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let target = if args.compute.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(todo.len() as u64), target);
    bar.set_style(ProgressStyle::with_template("{bar:20} {pos}/{len} {elapsed}<{eta}  {msg}")?.progress_chars("█▌ "));
    let options = options(args, loaded);
    for batch in todo.chunks(args.batch_size.max(1)) {
        if interrupt::asked() {
            return Ok(None);
        }
        bar.set_message(batch[0].cell.clone());
        for record in answer(batch, loaded, &options)? {
            writeln!(file, "{}", serde_json::to_string(&record)?)?;
            done.push(record);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Some(done))
}

fn options(args: &WorldMeasureArgs, loaded: &Loaded) -> Options {
    let gen_length = 96;
    Options {
        gen_length,
        schedule: Schedule::Blocks { steps: args.steps, block_length: args.block_length },
        batching: Batching::Padded,
        ..Options::llada(loaded.ends())
    }
}

fn answer(batch: &[Case], loaded: &Loaded, options: &Options) -> Result<Vec<Answered>> {
    let request = |case: &Case| -> Result<Request> {
        let ids = loaded.text.encode(&Prompt::Chat(vec![Message::user(&case.prompt)]))?;
        let forced = match &case.forced {
            Some((offset, words)) => (*offset..).zip(loaded.text.tokenizer.encode(words)?).collect(),
            None => Vec::new(),
        };
        Ok(Request::new(format!("{}/{}", case.cell, case.id), ids).with_forced(forced))
    };
    let requests = batch.iter().map(request).collect::<Result<Vec<_>>>()?;
    let answers = generate(loaded.pair(), options, requests, &mut ())?;
    let graded = answers.into_iter().flatten().zip(batch).map(|(answer, case)| {
        let text = visible(case, &answer.ids, loaded)?;
        Ok(Answered {
            cell: case.cell.clone(),
            id: case.id.clone(),
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
