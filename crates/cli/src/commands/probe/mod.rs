//! `mosa probe`: where is this model unsafe? Every probe writes records into a run folder; `mosa report` draws them.

mod gcg;
mod landscape;
mod order;
mod prefill;
mod steer;

use crate::args::{ProbeArgs, ProbeCommand, SamplingArgs};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::sampling::Shipped;
use crate::{digest, interrupt, output};
use anyhow::{Context, Result, ensure};
use mosa_engine::Options;
use mosa_probe::Probed;
use mosa_records::{Log, Record, RunFolder};
use mosa_text::{PromptRecord, read_prompts, stratified_sample};
use serde_json::{Value, json};
use std::path::Path;

/// Records of answers.
pub(crate) const ANSWERS: &str = "answers.jsonl";
/// Records of orders.
pub(crate) const ORDERS: &str = "orders.jsonl";
/// Records of searches.
pub(crate) const CURVES: &str = "curves.jsonl";
/// Records of landscapes.
pub(crate) const LANDSCAPES: &str = "landscapes.jsonl";

pub(crate) fn run(command: &ProbeCommand) -> Result<(), Failure> {
    interrupt::install();
    match command {
        ProbeCommand::Prefill(args) => prefill::run(args),
        ProbeCommand::Gcg(args) => gcg::run(args),
        ProbeCommand::Order(args) => order::run(args),
        ProbeCommand::Steer(args) => steer::run(args),
        ProbeCommand::Landscape(args) => landscape::run(args),
    }
}

/// An opened probe: its model, its prompts, its folder.
pub(crate) struct Opened<'a> {
    pub args: &'a ProbeArgs,
    pub loaded: Loaded,
    pub options: Options,
    pub folder: RunFolder,
}

impl<'a> Opened<'a> {
    /// Opens model and run folder. `settings` is what makes this probe another run besides model, data and sampler.
    pub(crate) fn new(
        name: &str,
        (args, sampling): (&'a ProbeArgs, &SamplingArgs),
        inputs: &[(&str, &Path)],
        settings: Value,
    ) -> Result<Self> {
        let loaded = load(&args.model, &args.compute)?;
        let options = sampling.options(loaded.spec().family, loaded.ends(), &Shipped::read(&loaded.dir)?)?;
        options.check(loaded.spec())?;
        let manifest = manifest(name, (args, &loaded), (inputs, &options), settings)?;
        let folder = RunFolder::open(&args.out, &manifest)?;
        Ok(Self { args, loaded, options, folder })
    }

    pub(crate) fn probed(&self) -> Probed<'_> {
        Probed { pair: self.loaded.pair(), text: &self.loaded.text }
    }

    /// Works off what the record file lacks, with a progress bar; an interrupt keeps what is done.
    pub(crate) fn fill<C, R: Record>(
        &self,
        file: &str,
        (cases, batch_size): (&[C], usize),
        key: impl Fn(&C) -> String,
        mut work: impl FnMut(&[C]) -> Result<Vec<R>>,
    ) -> Result<Vec<R>, Failure> {
        let mut log = Log::<R>::open(&self.folder.path(file))?;
        let bar = output::bar(self.args.compute.quiet, cases.len())?;
        bar.set_position(cases.iter().filter(|c| log.has(&key(c))).count() as u64);
        bar.reset_eta();
        let done = log.fill((cases, batch_size), &key, interrupt::asked, |batch| -> Result<Vec<R>, anyhow::Error> {
            bar.set_message(key(&batch[0]));
            let records = work(batch)?;
            bar.inc(batch.len() as u64);
            Ok(records)
        })?;
        bar.finish_and_clear();
        if !done {
            let (n, of) = (log.records().len(), cases.len());
            return Err(Failure::Interrupted(format!(
                "interrupted: {n} of {of} are recorded; the same command goes on"
            )));
        }
        Ok(log.into_records())
    }

    /// Says where the records are.
    pub(crate) fn close(&self, table: &[Vec<String>]) -> Result<()> {
        output::line(&output::table(table))?;
        if !self.args.compute.quiet {
            let run = self.args.out.display();
            output::say(&format!("records in {run}; draw them with: mosa report {run} --out report.html"));
        }
        Ok(())
    }
}

fn manifest(
    name: &str,
    (args, loaded): (&ProbeArgs, &Loaded),
    (inputs, options): (&[(&str, &Path)], &Options),
    settings: Value,
) -> Result<Value> {
    let mut hashes = serde_json::Map::new();
    hashes.insert("model".into(), digest::of_model(&loaded.dir)?.into());
    hashes.insert("adapter".into(), json!(args.model.adapter.as_deref().map(digest::of_model).transpose()?));
    for (key, path) in inputs {
        hashes.insert((*key).to_owned(), digest::of_file(path)?.into());
    }
    Ok(json!({
        "mosa": env!("CARGO_PKG_VERSION"),
        "command": format!("probe {name}"),
        "model": args.model.model,
        "hashes": hashes,
        "limit": args.limit,
        "sample": args.sample,
        "raw": args.raw,
        "dtype": format!("{:?}", args.compute.dtype).to_lowercase(),
        "sampler": format!("{options:?}"),
        "settings": settings,
    }))
}

/// The prompts of a file: all, the first `--limit`, or a `--sample`.
pub(crate) fn prompts(args: &ProbeArgs, path: &Path) -> Result<Vec<PromptRecord>> {
    let columns = args.columns.clone().unwrap_or_default();
    let mut all = read_prompts(path, &columns, args.raw)?;
    all.truncate(args.limit.unwrap_or(usize::MAX));
    if let Some(n) = args.sample {
        all = stratified_sample(all, n, 0);
    }
    ensure!(!all.is_empty(), "{}: holds no prompts", path.display());
    Ok(all)
}

/// The phrases of a file, one per line, or those that come with mosa.
pub(crate) fn phrases(path: Option<&Path>, built_in: &str) -> Result<Vec<String>> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => built_in.to_owned(),
    };
    let lines: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    let name = path.map_or("the built-in phrases".into(), |p| p.display().to_string());
    ensure!(!lines.is_empty(), "{name}: holds no phrases; write one per line");
    Ok(lines)
}

/// `k` of `n` in percent with its Wilson interval.
pub(crate) fn rate(k: usize, n: usize) -> [String; 2] {
    if n == 0 {
        return ["-".into(), "-".into()];
    }
    let (low, high) = mosa_core::wilson(k, n);
    let percent = |p: f64| format!("{:.0}", 100.0 * p);
    [format!("{}% ({k}/{n})", percent(k as f64 / n as f64)), format!("{}-{}", percent(low), percent(high))]
}

/// A header row of a table.
pub(crate) fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}
