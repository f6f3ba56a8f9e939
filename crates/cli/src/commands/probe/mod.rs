//! `mosa probe`: where is this model unsafe? Every probe writes records into a run folder; `mosa report` draws them.

mod gcg;
mod landscape;
mod monitor;
mod order;
mod prefill;
mod steer;

use crate::args::{ProbeArgs, ProbeCommand, SamplingArgs};
use crate::defences::{self, Defended, defended};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::parts::{Done, Parted};
use crate::room::Room;
use crate::table::{header, rate};
use crate::{digest, folder, hub, interrupt, output};
use anyhow::Result;
use mosa_engine::{Batching, Options};
use mosa_probe::Case;
use mosa_probe::gcg::GcgSettings;
pub(crate) use mosa_records::names::{ANSWERS, CURVES, LANDSCAPES, MONITORS, ORDERS};
use mosa_records::{Batches, Cases, Record, RunFolder};
use mosa_runtime::{Runtime, Settings};
use mosa_text::PromptRecord;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;

pub(crate) fn run(command: &ProbeCommand) -> Result<(), Failure> {
    match command {
        ProbeCommand::Prefill(args) => prefill::run(args),
        ProbeCommand::Gcg(args) => gcg::run(args),
        ProbeCommand::Order(args) => order::run(args),
        ProbeCommand::Steer(args) => steer::run(args),
        ProbeCommand::Landscape(args) => landscape::run(args),
        ProbeCommand::Monitor(args) => monitor::run(args),
    }
}

/// An opened probe: its model, its prompts, and what its folder will say.
pub(crate) struct Opened<'a> {
    pub args: &'a ProbeArgs,
    /// The model. While it decodes, the cases of a batch that are complete are worth keeping.
    pub runtime: Runtime,
    /// Whether an adapter is given.
    pub adapted: bool,
    pub options: Options,
    batching: Batching,
    manifest: Manifest,
    /// The behaviours, as the flags choose them.
    pub behaviours: Vec<PromptRecord>,
}

impl<'a> Opened<'a> {
    /// Opens the model for a command. `settings` is what makes this probe another run besides model, behaviours and sampler.
    pub(crate) fn new(name: &str, args: &'a ProbeArgs, sampling: &SamplingArgs, settings: Value) -> Result<Self> {
        let file = args.select.read(&args.behaviors, sampling.seed, args.compute.quiet)?;
        let loaded = load(&args.model, &args.compute)?;
        let options = loaded.options(sampling)?;
        let (batching, stop) = (sampling.batching(loaded.model.device()), interrupt::stop());
        let said = Said { name, settings, reading: file.said };
        let mut fingerprints = Fingerprints::default();
        let identity =
            defences::identity(&mut fingerprints, &loaded.dir, args.model.adapter.as_deref(), &args.defences)?;
        let manifest = manifest(said, args, &loaded, fingerprints)?.sampled(&options, batching)?;
        let adapted = loaded.adapter.is_some();
        let runtime = loaded.started(Settings { batching, batch_size: args.batch_size, stop })?;
        let Defended { runtime, said } = defended(runtime, &options, &args.defences, &identity)?;
        let manifest = manifest.defended(said);
        Ok(Self { args, runtime, adapted, options, batching, manifest, behaviours: file.records })
    }

    /// Opens the run folder, or the one of the part that is asked for, and works on its cases, of `total` in batches of `size`:
    /// when everything is known to fit, so that what does not leaves nothing behind.
    pub(crate) fn parted<T>(
        &self,
        (total, size): (usize, usize),
        work: impl FnMut(&RunFolder, Range<usize>) -> Result<Done<T>, Failure>,
    ) -> Result<Option<Done<T>>, Failure> {
        let Self { args, manifest, .. } = self;
        let unit = if self.batching == Batching::Rows { 1 } else { size };
        let (cases, quiet) = (Cases { total, unit }, args.compute.quiet);
        Parted { args: &args.parts, out: &args.out, manifest, cases, judges: false, quiet }.work(work)
    }

    /// The same where a case comes to one record of a file; all that are asked for, but for chunks.
    pub(crate) fn recorded<C, R: Record>(
        &self,
        file: &str,
        batches: Batches<'_, C>,
        key: impl Fn(&C) -> String,
        mut work: impl FnMut(&[C]) -> Result<Vec<R>>,
    ) -> Result<Option<Vec<R>>, Failure> {
        let Batches { cases, size } = batches;
        let done = self.parted((cases.len(), size), |folder, range| {
            let own = Batches { cases: &cases[range], size };
            self.fill(&folder.path(file), own, &key, &mut work).map(Done::whole)
        })?;
        Ok(done.map(|done| done.value))
    }

    /// Refuses cases of the file `source` whose prompts are too long, all at once, before the first is computed.
    pub(crate) fn has_room(&self, source: &Path, cases: &[Case]) -> Result<()> {
        self.has_room_for(source, cases.iter().map(|c| (c.id.as_str(), c.prompt.len())))
    }

    /// The same for prompts by id and length in tokens.
    pub(crate) fn has_room_for<'p>(
        &self,
        source: &Path,
        prompts: impl IntoIterator<Item = (&'p str, usize)>,
    ) -> Result<()> {
        let source = source.display().to_string();
        let (setting, response) = (Some("--gen-length"), self.options.gen_length);
        Room { source: &source, setting, response, context: self.runtime.spec().max_length }.holds(prompts)
    }

    /// Works off what the record file lacks, with a progress bar; an interrupt keeps what is done.
    pub(crate) fn fill<C, R: Record>(
        &self,
        file: &Path,
        batches: Batches<'_, C>,
        key: impl Fn(&C) -> String,
        mut work: impl FnMut(&[C]) -> Result<Vec<R>>,
    ) -> Result<Vec<R>, Failure> {
        let (mut log, cases) = (folder::log::<R>(file)?, batches.cases);
        let bar = output::bar(self.args.compute.quiet, cases.len())?;
        bar.set_position(cases.iter().filter(|c| log.has(&key(c))).count() as u64);
        bar.reset_eta();
        let done = log.fill(batches, &key, interrupt::asked, |batch| -> Result<Vec<R>, anyhow::Error> {
            bar.set_message(key(&batch[0]));
            let records = work(batch)?;
            bar.inc(records.len() as u64);
            Ok(records)
        })?;
        bar.finish_and_clear();
        if !done || !cases.iter().all(|case| log.has(&key(case))) {
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

/// What a probe says of itself beside its arguments.
struct Said<'a> {
    name: &'a str,
    /// Settings of its own.
    settings: Value,
    /// How its file was read, where that is not as it stands.
    reading: Value,
}

fn manifest(said: Said<'_>, args: &ProbeArgs, loaded: &Loaded, mut fingerprints: Fingerprints) -> Result<Manifest> {
    let Said { name, settings, reading } = said;
    let mut hashes = json!({
        "model": fingerprints.of(&loaded.dir)?,
        "adapter": fingerprints.of_any(args.model.adapter.as_deref())?,
        "behaviors": digest::of_file(&args.behaviors)?,
    });
    hub::record(&mut hashes, &loaded.dir);
    let said = json!({
        "command": name,
        "model": args.model.model,
        "hashes": hashes,
        "limit": args.select.select.limit,
        "sample": args.select.select.sample,
        "styles": args.select.select.styles,
        "raw": args.select.raw,
        "reading": reading,
        "settings": settings,
    });
    let manifest = Manifest::new(said).with_fingerprints(fingerprints).computed(Place::of(loaded, &args.compute));
    manifest.with_defaults("settings", &json!({"gcg": GcgSettings::default()}))
}
