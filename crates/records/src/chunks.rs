//! A run folder that many processes work on, chunk by chunk, without a server.
//!
//! ```text
//! manifest.json        the run, and in which chunks it is done; whoever comes first writes it, all others compare
//! chunk-000007.g1/     a run folder of its own with the records of chunk 7, and the lease of whoever works on it
//! chunk-000007.g2/     the same chunk in the hands of the next one, who copied what was recorded
//! ```
//!
//! A folder of a chunk is made by one process (`mkdir` either makes it or says that it is there, on NFS too), and only that
//! one writes into it. Of several folders of a chunk a finished one counts.

use crate::fence::Generation;
use crate::finished::{DONE, records};
use crate::lease::Watch;
use crate::names::{ANSWERS, CASES, JOURNAL, MANIFEST, SECONDS, VERDICTS};
use crate::whole::link_whole;
use crate::{Identity, Lease, Lock, Part, RecordsError, RunFolder, write_whole};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The key under which the manifest of a shared folder says its chunks.
pub const CHUNKS: &str = "chunks";
/// What is copied first: a file that names what stands in another comes before it, so that what it names is in the copy.
const FIRST: [&str; 4] = [VERDICTS, CASES, SECONDS, ANSWERS];

/// A folder that many processes share.
#[derive(Debug)]
pub struct Chunks {
    dir: PathBuf,
    parts: Vec<Part>,
    patience: Duration,
    watched: HashMap<Generation, Watch>,
    done: Vec<bool>,
    notes: Vec<String>,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Next {
    /// This chunk, which is this process's now.
    Mine(Box<Chunk>),
    /// Nothing yet: others work on all that is left.
    Wait,
    /// Nothing: all chunks are finished.
    Done,
}

/// A chunk that this process has.
#[derive(Debug)]
pub struct Chunk {
    /// Its cases.
    pub part: Part,
    /// Who had it before, where it was taken over.
    pub before: Option<String>,
    /// Its lease.
    pub lease: Lease,
    lock: Lock,
}

impl Chunks {
    /// Creates the folder, or joins it if it belongs to the same run. The manifest of `run` says the chunks under
    /// [`CHUNKS`]. A lease that does not change for `patience` is over.
    ///
    /// # Errors
    /// [`RecordsError::OtherRun`] listing the keys that differ; [`RecordsError::File`] if the folder holds something else or
    /// cannot be used.
    pub fn open(dir: &Path, run: &dyn Identity, parts: Vec<Part>, patience: Duration) -> Result<Self, RecordsError> {
        let path = dir.join(MANIFEST);
        if !path.exists() {
            RunFolder::check_free(dir)?;
            fs::create_dir_all(dir).map_err(|e| RecordsError::file(dir, e))?;
            let bytes = RunFolder::first_manifest(run);
            link_whole(&path, &bytes).map_err(|e| RecordsError::file(&path, e))?;
        }
        let notes = RunFolder::compared(dir, run)?;
        let done = vec![false; parts.len()];
        Ok(Self { dir: dir.to_owned(), parts, patience, watched: HashMap::new(), done, notes })
    }

    /// What is different from those before and does not matter.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many chunks are known to be finished, of how many.
    pub fn progress(&self) -> (usize, usize) {
        (self.done.iter().filter(|done| **done).count(), self.done.len())
    }

    /// Takes the first chunk that nobody works on; `now` is the time at which it is looked.
    ///
    /// # Errors
    /// [`RecordsError::File`] if the folder cannot be read or written.
    pub fn next(&mut self, now: Instant) -> Result<Next, RecordsError> {
        let there = generations(&self.dir)?;
        for at in 0..self.parts.len() {
            if self.done[at] {
                continue;
            }
            let known = there.get(&(at + 1)).map_or(&[][..], Vec::as_slice);
            self.done[at] = known.iter().any(|own| is_finished(&self.dir.join(own.name())));
            if self.done[at] {
                continue;
            }
            if let Some(chunk) = self.take(at, known, now)? {
                return Ok(Next::Mine(Box::new(chunk)));
            }
        }
        Ok(if self.done.iter().all(|done| *done) { Next::Done } else { Next::Wait })
    }

    /// Takes a chunk, if nobody has it.
    fn take(&mut self, at: usize, known: &[Generation], now: Instant) -> Result<Option<Chunk>, RecordsError> {
        let (mut before, mut own) = (None, Generation { chunk: at + 1, number: 1 });
        if let Some(last) = known.last().copied() {
            let (dir, patience) = (self.dir.join(last.name()), self.patience);
            let watch = self.watched.entry(last).or_insert_with(|| Watch::new(now));
            if !watch.is_over(&dir, patience, now) || is_finished(&dir) {
                return Ok(None);
            }
            before = Some(watch.holder());
            own = last.next();
        }
        let dir = self.dir.join(own.name());
        match fs::create_dir(&dir) {
            Ok(()) => {}
            // Somebody else was faster.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(e) => return Err(RecordsError::file(&dir, e)),
        }
        let lock = Lock::take(&dir, "worker")?;
        let lease = Lease::begin(&lock, self.patience)?;
        self.inherit(known, &dir)?;
        Ok(Some(Chunk { part: self.parts[at].clone(), before, lease, lock }))
    }

    /// Copies what was recorded of a chunk by the last one who had begun to; the manifest last, which says that all is there.
    fn inherit(&self, known: &[Generation], to: &Path) -> Result<(), RecordsError> {
        let begun = known.iter().rev().map(|own| self.dir.join(own.name())).find(|dir| dir.join(MANIFEST).exists());
        let Some(from) = begun else { return Ok(()) };
        let mut names = records(&from)?;
        let place =
            |name: &String| (FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()), name == JOURNAL);
        names.sort_by_key(place);
        for name in names {
            // Half a line at the end is cut off when the copy is opened.
            fs::copy(from.join(&name), to.join(&name)).map_err(|e| RecordsError::file(&to.join(&name), e))?;
        }
        let manifest = fs::read(from.join(MANIFEST)).map_err(|e| RecordsError::file(&from.join(MANIFEST), e))?;
        write_whole(&to.join(MANIFEST), &manifest).map_err(|e| RecordsError::file(&to.join(MANIFEST), e))
    }
}

impl Chunk {
    /// Opens its folder for the part of the run that it is, as `run` says it.
    ///
    /// # Errors
    /// [`RecordsError`] as for [`RunFolder::open`].
    pub fn open(self, run: &dyn Identity) -> Result<(RunFolder, Lease), RecordsError> {
        Ok((RunFolder::open_locked(self.lock, run)?, self.lease))
    }
}

/// Whether a folder of a chunk or shard says that it is finished.
pub(crate) fn is_finished(dir: &Path) -> bool {
    dir.join(DONE).exists()
}

/// The folders of chunks, by chunk and in the order they were made.
pub(crate) fn generations(dir: &Path) -> Result<BTreeMap<usize, Vec<Generation>>, RecordsError> {
    let mut all: BTreeMap<usize, Vec<Generation>> = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|e| RecordsError::file(dir, e))? {
        let entry = entry.map_err(|e| RecordsError::file(dir, e))?;
        let own = entry.file_name().to_str().and_then(Generation::of);
        all.entry(own.map_or(0, |own| own.chunk)).or_default().extend(own);
    }
    all.remove(&0);
    all.values_mut().for_each(|own| own.sort());
    Ok(all)
}
