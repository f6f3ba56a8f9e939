//! The folder of a training run: what it was asked to do, what every step did, and where it can go on.
//!
//! ```text
//! manifest.json             settings, and hashes of model and data; a run with another manifest is refused
//! metrics.jsonl             one line per step
//! events.out.tfevents.*     the same for TensorBoard
//! checkpoint-000050/        parameters, optimizer.safetensors, metrics.jsonl, trainer_state.json; whole or absent
//! ```
//!
//! `trainer_state.json` has the SHA-256 of parameters and moments, so that a checkpoint that a crash spoiled is found out
//! and the one before it taken.

use crate::{AlignError, EventWriter, StepMetrics, Trainer};
use mosa_core::hex;
use mosa_model::{Checkpoint, ModelError, save_tensors, write_whole};
use mosa_records::{Identity, lines, names::METRICS, remove_folder, sync_folder, unfinished_name, unfinished_of};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

const STATE: &str = "trainer_state.json";
const OPTIMIZER: &str = "optimizer.safetensors";
const PREFIX: &str = "checkpoint-";
const EVENTS: &str = "events.out.tfevents.";
/// What checkpoints are made of; of a folder that is removed nothing else goes.
const PARTS: [&str; 7] =
    ["adapter_model.safetensors", "adapter_config.json", "model.safetensors", "config.json", OPTIMIZER, METRICS, STATE];

/// A run folder whose manifest is this run's.
#[derive(Clone, Debug)]
pub struct RunFolder {
    inner: mosa_records::RunFolder,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Its folder.
    pub dir: PathBuf,
    /// Steps done.
    pub step: usize,
}

/// metrics.jsonl and the event file, open for appending.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    lines: File,
    events: EventWriter,
}

impl RunFolder {
    /// Creates the folder, or opens it if it belongs to the same run.
    ///
    /// # Errors
    /// [`AlignError::Records`] listing the keys that differ, or if the folder holds something else or cannot be used.
    pub fn open(dir: &Path, run: &dyn Identity) -> Result<Self, AlignError> {
        let this = Self { inner: mosa_records::RunFolder::open(dir, run)? };
        this.clear_unfinished()?;
        Ok(this)
    }

    /// The folder of records below it.
    pub fn records(&self) -> &mosa_records::RunFolder {
        &self.inner
    }

    fn dir(&self) -> &Path {
        self.inner.dir()
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The newest whole checkpoint. Newer ones that a crash spoiled are removed, and `say` is told.
    ///
    /// # Errors
    /// [`AlignError::File`] if the folder cannot be read, or a spoiled checkpoint cannot be removed.
    pub fn latest(&self, mut say: impl FnMut(String)) -> Result<Option<Saved>, AlignError> {
        let mut all = self.checkpoints()?;
        while let Some(saved) = all.pop() {
            let Err(what) = saved.check() else { return Ok(Some(saved)) };
            let before = match all.last() {
                Some(older) => format!("going on from the one before it (step {})", older.step),
                None => "there is none before it: beginning anew".into(),
            };
            say(format!("{}: cannot be used: {what}; {before}", saved.dir.display()));
            if !remove(&saved.dir)? {
                let what = "is a spoiled checkpoint and holds files that mosa did not write; move the folder away";
                return Err(AlignError::file(&saved.dir, what));
            }
        }
        Ok(None)
    }

    /// All checkpoints, oldest first.
    fn checkpoints(&self) -> Result<Vec<Saved>, AlignError> {
        let entries = fs::read_dir(self.dir()).map_err(|e| AlignError::file(self.dir(), e))?;
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| AlignError::file(self.dir(), e))?;
            let step = entry.file_name().to_str().and_then(step_of);
            if let (Some(step), true) = (step, entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                all.push(Saved { dir: entry.path(), step });
            }
        }
        all.sort_by_key(|saved| saved.step);
        Ok(all)
    }

    /// Removes what kills left of checkpoints that were being written.
    fn clear_unfinished(&self) -> Result<(), AlignError> {
        for entry in fs::read_dir(self.dir()).map_err(|e| AlignError::file(self.dir(), e))?.flatten() {
            let name = entry.file_name();
            let of = name.to_str().and_then(|n| unfinished_of(n).or_else(|| n.strip_suffix(".partial")));
            if of.and_then(step_of).is_some() {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint (`parameters` writes the trained tensors into the folder it is given), then removes all but
    /// the newest `keep`. A kill leaves the old ones whole.
    ///
    /// # Errors
    /// [`AlignError`] if something cannot be written.
    pub fn save(
        &self,
        trainer: &Trainer<'_>,
        keep: usize,
        parameters: &dyn Fn(&Path) -> Result<(), ModelError>,
    ) -> Result<(), AlignError> {
        let step = trainer.step_number();
        let dir = self.dir().join(format!("{PREFIX}{step:06}"));
        if dir.exists() {
            return Ok(());
        }
        let partial = unfinished_name(&dir);
        fs::create_dir(&partial).map_err(|e| AlignError::file(&partial, e))?;
        parameters(&partial)?;
        save_tensors(&partial.join(OPTIMIZER), &trainer.optimiser_state())?;
        let sums = checksums(&partial).map_err(|e| AlignError::file(&partial, e))?;
        let metrics = fs::read(self.path(METRICS)).unwrap_or_default();
        write_whole(&partial.join(METRICS), &metrics)?;
        let state = json!({"global_step": step, "total_steps": trainer.total_steps(), "sha256": sums});
        write_whole(&partial.join(STATE), format!("{state:#}\n").as_bytes())?;
        fs::rename(&partial, &dir).map_err(|e| AlignError::file(&dir, e))?;
        sync_folder(&dir).map_err(|e| AlignError::file(&dir, e))?;
        let all = self.checkpoints()?;
        let old = all.len().saturating_sub(keep);
        // What is not mosa's stays, and so does its folder.
        all[..old].iter().try_for_each(|saved| remove(&saved.dir).map(drop))
    }

    /// The log, open behind the first `steps` steps, and the metrics of these.
    ///
    /// # Errors
    /// As [`RunFolder::restore_metrics`].
    pub fn metrics(
        &self,
        steps: usize,
        from: Option<&Saved>,
        say: impl FnMut(String),
    ) -> Result<(MetricsLog, Vec<StepMetrics>), AlignError> {
        let kept = self.restore_metrics(steps, from, say)?;
        let path = self.path(METRICS);
        self.remove_events()?;
        let events = EventWriter::create(self.dir()).map_err(|e| AlignError::file(self.dir(), e))?;
        let lines = File::options().append(true).open(&path).map_err(|e| AlignError::file(&path, e))?;
        let mut log = MetricsLog { path, lines, events };
        kept.iter().try_for_each(|m| log.event(m))?;
        Ok((log, kept))
    }

    /// Makes metrics.jsonl the log of the first `steps` steps. Later ones are cut off; those that are missing are taken from
    /// the checkpoint `from`. `say` is told of them, of lines that cannot be read and of steps that are there twice.
    ///
    /// # Errors
    /// [`AlignError::File`] if it cannot be read or written.
    pub fn restore_metrics(
        &self,
        steps: usize,
        from: Option<&Saved>,
        mut say: impl FnMut(String),
    ) -> Result<Vec<StepMetrics>, AlignError> {
        let path = self.path(METRICS);
        let (mut found, name) = (Found::read(&path)?, path.display());
        let (repeated, unread) = (found.repeated, found.unread);
        if repeated > 0 {
            say(format!("{name}: {repeated} lines repeat a step, which is kept once; two commands wrote at once"));
        }
        if unread > 0 {
            say(format!("{name}: {unread} lines cannot be read and were left out"));
        }
        let missing = found.lacks(steps);
        if missing > 0 {
            let copy = from.map(|saved| Found::read(&saved.dir.join(METRICS))).transpose()?.unwrap_or_default();
            for (step, line) in copy.steps {
                found.steps.entry(step).or_insert(line);
            }
            let lost = found.lacks(steps);
            let rest = if lost > 0 { format!("; {lost} are lost") } else { String::new() };
            let put = missing - lost;
            say(format!(
                "{name}: {missing} of {steps} steps were missing; {put} were put back from the checkpoint{rest}"
            ));
        }
        let kept: Vec<(String, StepMetrics)> = found.steps.into_values().filter(|(_, m)| m.step <= steps).collect();
        let text: String = kept.iter().flat_map(|(line, _)| [line, "\n"]).collect();
        if !fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            write_whole(&path, text.as_bytes())?;
        }
        Ok(kept.into_iter().map(|(_, m)| m).collect())
    }

    /// Removes the event files of earlier sessions, which are written anew; those of other programs stay.
    fn remove_events(&self) -> Result<(), AlignError> {
        for entry in fs::read_dir(self.dir()).map_err(|e| AlignError::file(self.dir(), e))?.flatten() {
            if entry.file_name().to_str().is_some_and(is_events) && entry.file_type().is_ok_and(|k| k.is_file()) {
                fs::remove_file(entry.path()).map_err(|e| AlignError::file(&entry.path(), e))?;
            }
        }
        Ok(())
    }
}

/// Whether a path, relative to the folder of a training run, is of a file that training writes; not asked of the adapter
/// or model that it ends with.
pub fn is_of_training(path: &Path) -> bool {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    match parts.as_deref() {
        Some([name]) => *name == METRICS || *name == mosa_records::MANIFEST || is_events(name),
        Some([dir, name]) => {
            let of = unfinished_of(dir).or_else(|| dir.strip_suffix(".partial")).unwrap_or(dir);
            step_of(of).is_some() && is_part(name)
        }
        _ => false,
    }
}

/// A part of a checkpoint, or what a kill left of it.
fn is_part(name: &str) -> bool {
    PARTS.contains(&unfinished_of(name).or_else(|| name.strip_suffix(".partial")).unwrap_or(name))
}

fn is_events(name: &str) -> bool {
    let time = name.strip_prefix(EVENTS).and_then(|rest| rest.strip_suffix(".mosa"));
    time.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
}

/// The step of the checkpoint of this name.
fn step_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix(PREFIX)?;
    let step = digits.parse().ok()?;
    (digits == format!("{step:06}")).then_some(step)
}

/// The lines of a metrics file by step.
#[derive(Default)]
struct Found {
    steps: BTreeMap<usize, (String, StepMetrics)>,
    repeated: usize,
    unread: usize,
}

impl Found {
    /// How many of the first `steps` steps are not there.
    fn lacks(&self, steps: usize) -> usize {
        (1..=steps).filter(|step| !self.steps.contains_key(step)).count()
    }

    /// No file, no steps.
    fn read(path: &Path) -> Result<Self, AlignError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(AlignError::file(path, e)),
        };
        let mut found = Self::default();
        for (_, line) in lines(&bytes) {
            let read =
                std::str::from_utf8(line).ok().and_then(|l| Some((l, serde_json::from_str::<StepMetrics>(l).ok()?)));
            match read {
                None => found.unread += 1,
                Some((_, m)) if found.steps.contains_key(&m.step) => found.repeated += 1,
                Some((line, m)) => drop(found.steps.insert(m.step, (line.to_owned(), m))),
            }
        }
        Ok(found)
    }
}

/// The SHA-256 of the files of a folder, by name.
fn checksums(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sums.insert(entry.file_name().to_string_lossy().into_owned(), checksum(&entry.path())?);
    }
    Ok(sums)
}

fn checksum(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

impl Saved {
    /// Whether the checkpoint is as it was written. Those of earlier versions have no checksums: their files have to be
    /// complete.
    fn check(&self) -> Result<(), String> {
        let state = self.state()?;
        if state["global_step"].as_u64() != Some(self.step as u64) {
            return Err(format!("{STATE}: `global_step` is not {}", self.step));
        }
        let sums = match state.get("sha256") {
            Some(sums) => serde_json::from_value(sums.clone()).map_err(|e| format!("{STATE}: {e}"))?,
            None => BTreeMap::<String, String>::new(),
        };
        for (name, sum) in &sums {
            let found = checksum(&self.dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
            if found != *sum {
                return Err(format!("{name} is not as it was written (its checksum differs)"));
            }
        }
        for name in PARTS.iter().filter(|name| name.ends_with(".safetensors")) {
            let path = self.dir.join(name);
            if sums.is_empty() && (path.exists() || *name == OPTIMIZER) {
                Checkpoint::open_file(&path).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// Whether training ended with it.
    pub fn is_last(&self) -> bool {
        self.state().is_ok_and(|state| state["total_steps"] == state["global_step"])
    }

    /// The SHA-256 of one of its files as it was written, where it is known.
    pub fn sum(&self, name: &str) -> Option<String> {
        Some(self.state().ok()?["sha256"][name].as_str()?.to_owned())
    }

    fn state(&self) -> Result<Value, String> {
        let bytes = fs::read(self.dir.join(STATE)).map_err(|e| format!("{STATE}: {e}"))?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{STATE}: {e}"))
    }

    /// The optimiser's moments.
    ///
    /// # Errors
    /// [`AlignError`] if the file is damaged.
    pub fn moments(&self, device: Device) -> Result<BTreeMap<String, Tensor>, AlignError> {
        let file = Checkpoint::open_file(&self.dir.join(OPTIMIZER))?;
        let names = file.tensors().keys().cloned().collect::<Vec<_>>();
        names.into_iter().map(|n| Ok((n.clone(), file.load(&n, None, None, device)?))).collect()
    }
}

impl MetricsLog {
    /// Adds a step.
    ///
    /// # Errors
    /// [`AlignError::File`] if it cannot be written.
    pub fn push(&mut self, metrics: &StepMetrics) -> Result<(), AlignError> {
        let line = serde_json::to_string(metrics).map_err(|e| AlignError::file(&self.path, e))?;
        self.lines.write_all(format!("{line}\n").as_bytes()).map_err(|e| AlignError::file(&self.path, e))?;
        self.event(metrics)
    }

    fn event(&mut self, metrics: &StepMetrics) -> Result<(), AlignError> {
        let fields = serde_json::to_value(metrics).map_err(|e| AlignError::file(&self.path, e))?;
        let numbers = fields.as_object().into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_f64()?)));
        self.events
            .scalars(metrics.step, numbers.filter(|(k, _)| *k != "step"))
            .map_err(|e| AlignError::file(&self.path, e))
    }
}

/// Removes what is mosa's of a checkpoint; says whether that was all.
fn remove(dir: &Path) -> Result<bool, AlignError> {
    let part = |path: &Path| path.components().count() == 1 && path.to_str().is_some_and(is_part);
    remove_folder(dir, &part).map_err(|e| AlignError::file(dir, e))
}
