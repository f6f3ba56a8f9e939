//! Which cases a command works on, and in which folder: all of them, a shard of its own, or chunk after chunk of a folder
//! that several processes share. The one place where that is decided.

use crate::args::PartArgs;
use crate::failure::Failure;
use crate::manifest::{Manifest, libtorch_version};
use crate::{digest, folder, interrupt, output};
use anyhow::{Result, ensure};
use mosa_client::Budget;
use mosa_records::{Cases, Chunk, Chunks, Next, RunFolder};
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long it is waited at least and at most before it is looked again whether there is a chunk to do: a part of a lease.
const LOOK: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];
const LOOKS: u32 = 60;

/// A run that is worked on in parts, or in one.
pub(crate) struct Parted<'a> {
    pub args: &'a PartArgs,
    /// The run folder.
    pub out: &'a Path,
    /// The run in one piece.
    pub manifest: &'a Manifest,
    pub cases: Cases,
    /// Whether the run is about verdicts, which otherwise may come later.
    pub judges: bool,
    pub quiet: bool,
}

/// Works on the cases of a range in a folder.
type Work<'w, T> = dyn FnMut(&RunFolder, Range<usize>) -> Result<Done<T>, Failure> + 'w;

/// What came of a part whose cases are all recorded.
pub(crate) struct Done<T> {
    pub value: T,
    /// What it lacks beside its cases, such as verdicts.
    pub missing: Option<String>,
}

impl<T> Done<T> {
    /// Nothing is missing.
    pub(crate) fn whole(value: T) -> Self {
        Self { value, missing: None }
    }
}

impl Parted<'_> {
    /// Works on what this process is to do; nothing comes back from chunks, of which other processes have some.
    pub(crate) fn work<T>(
        &self,
        mut work: impl FnMut(&RunFolder, Range<usize>) -> Result<Done<T>, Failure>,
    ) -> Result<Option<Done<T>>, Failure> {
        let Self { args, out, manifest, cases, judges, .. } = self;
        if args.join {
            return self.join(&mut work).map(|()| None);
        }
        let Some(shard) = args.shard else {
            return work(&folder::open(out, *manifest)?, 0..cases.total).map(Some);
        };
        let part = shard.part(*cases)?;
        let folder = folder::open(out, &(*manifest).clone().of_part(&part))?;
        let done = work(&folder, part.cases)?;
        folder.finish(*judges)?;
        if !self.quiet {
            output::say(&format!("part {shard}; when all are done: mosa records merge PART... --out RUN"));
        }
        Ok(Some(done))
    }

    /// Takes chunk after chunk until all are finished, by this process or another.
    fn join<T>(&self, work: &mut Work<'_, T>) -> Result<(), Failure> {
        let mut worker = Worker { parted: self, begun: Instant::now(), own: 0, spent: Duration::ZERO, missing: None };
        let mut chunks = self.open()?;
        worker.spent = worker.begun.elapsed();
        let look = (Duration::from_secs(self.args.lease_seconds) / LOOKS).clamp(LOOK[0], LOOK[1]);
        loop {
            let looked = Instant::now();
            let next = chunks.next(looked)?;
            worker.spent += looked.elapsed();
            if interrupt::asked() {
                let (n, of) = chunks.progress();
                let what = format!("interrupted: {n} of {of} chunks are finished; the same command goes on");
                return Err(Failure::Interrupted(what));
            }
            match next {
                Next::Mine(chunk) => worker.does(*chunk, work)?,
                Next::Wait => std::thread::sleep(look),
                Next::Done => break,
            }
        }
        worker.close(&chunks);
        worker.missing.map_or(Ok(()), |missing| Err(Failure::Check(missing)))
    }

    fn open(&self) -> Result<Chunks> {
        let Self { args, out, manifest, cases, .. } = self;
        ensure!(
            !out.exists() || out.is_dir(),
            "{}: is a file, and records need a folder; name a new one",
            out.display()
        );
        let parts = cases.chunks(args.chunk);
        let run = (*manifest).clone().in_chunks(json!({
            "size": args.chunk,
            "cases": cases.total,
            "count": parts.len(),
            "mosa": env!("CARGO_PKG_VERSION"),
            "libtorch": libtorch_version(),
            "binary": digest::of_program()?,
        }));
        let chunks = Chunks::open(out, &run, parts, Duration::from_secs(args.lease_seconds))?;
        chunks.notes().iter().for_each(|note| output::say(&format!("note: {note}")));
        Ok(chunks)
    }
}

/// One of the processes that share a folder.
struct Worker<'a> {
    parted: &'a Parted<'a>,
    begun: Instant,
    /// Chunks it has done.
    own: usize,
    /// What it took to find, lease and close chunks.
    spent: Duration,
    missing: Option<String>,
}

impl Worker<'_> {
    /// Does a chunk, unless another process takes it over meanwhile.
    fn does<T>(&mut self, chunk: Chunk, work: &mut Work<'_, T>) -> Result<(), Failure> {
        let Parted { manifest, judges, quiet, .. } = self.parted;
        let part = chunk.part.clone();
        if let (Some(before), false) = (&chunk.before, *quiet) {
            output::say(&format!("chunk {part}: its worker is gone ({before}); this one goes on with it"));
        }
        let began = Instant::now();
        let (folder, lease) = chunk.open(&(*manifest).clone().of_part(&part))?;
        folder::tell(&folder);
        self.spent += began.elapsed();
        let done = work(&folder, part.cases.clone());
        let ended = Instant::now();
        let finished = done.and_then(|done| {
            folder.finish(*judges)?;
            Ok(done.missing)
        });
        self.spent += lease.spent();
        folder::warn(lease.problem().as_deref());
        drop(lease);
        self.spent += ended.elapsed();
        match finished {
            Ok(missing) => self.missing = self.missing.take().or(missing),
            Err(failure) if failure.is_lost() => {
                output::say(&format!("warning: {failure}"));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        }
        self.own += 1;
        Ok(())
    }

    fn close(&self, chunks: &Chunks) {
        if self.parted.quiet {
            return;
        }
        let (own, (_, of), out) = (self.own, chunks.progress(), self.parted.out.display());
        let (took, spent) = (self.begun.elapsed().as_secs_f64(), self.spent.as_secs_f64());
        let share = 100.0 * spent / took.max(1e-9);
        output::say(&format!(
            "{own} of {of} chunks in {took:.1} s, {spent:.3} s of it ({share:.2}%) for leases; all are finished: mosa records \
             merge {out} --out RUN"
        ));
    }
}

/// Says that a budget holds for each process, where several work on a run.
pub(crate) fn say_budget(args: &PartArgs, whose: &str, budget: &Budget) {
    let is_limited = *budget != Budget::default();
    if is_limited && args.is_given() {
        let all = args.shard.map_or("all together may use a multiple of it".into(), |shard| {
            let of = shard.of();
            format!("all {of} parts together may use {of} times as much")
        });
        output::say(&format!("warning: the budget of the {whose}'s endpoint holds for this process alone; {all}"));
    }
}
