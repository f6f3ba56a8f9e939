//! The folder of a training run: what it was asked to do, what every step did, and where it can go on.
//!
//! ```text
//! manifest.json             settings, and hashes of model and data; a run with another manifest is refused
//! metrics.jsonl             one line per step
//! events.out.tfevents.*     the same for TensorBoard
//! checkpoint-000050/        parameters, optimizer.safetensors, trainer_state.json; whole or absent
//! ```

use crate::{AlignError, EventWriter, StepMetrics, Trainer};
use mosa_model::{Checkpoint, ModelError, save_tensors, write_whole};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

const METRICS: &str = "metrics.jsonl";
const STATE: &str = "trainer_state.json";
const OPTIMIZER: &str = "optimizer.safetensors";
const PREFIX: &str = "checkpoint-";

/// A run folder whose manifest is this run's.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
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
    /// Creates the folder, or opens it if it belongs to a run with the same manifest.
    ///
    /// # Errors
    /// [`AlignError::Records`] listing the keys that differ, or if the folder holds something else or cannot be used.
    pub fn open(dir: &Path, manifest: &Value) -> Result<Self, AlignError> {
        mosa_records::RunFolder::open(dir, manifest)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`AlignError::File`] if its state cannot be read.
    pub fn latest(&self) -> Result<Option<Saved>, AlignError> {
        Ok(self.checkpoints()?.pop())
    }

    /// All complete checkpoints, oldest first.
    fn checkpoints(&self) -> Result<Vec<Saved>, AlignError> {
        let entries = fs::read_dir(&self.dir).map_err(|e| AlignError::file(&self.dir, e))?;
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| AlignError::file(&self.dir, e))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).filter(|n| !n.ends_with(".partial"));
            if let Some(step) = number.and_then(|n| n.parse().ok()) {
                all.push(Saved { dir: entry.path(), step });
            }
        }
        all.sort_by_key(|saved| saved.step);
        Ok(all)
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
        let dir = self.dir.join(format!("{PREFIX}{step:06}"));
        if dir.exists() {
            return Ok(());
        }
        let partial = self.dir.join(format!("{PREFIX}{step:06}.partial"));
        remove(&partial)?;
        fs::create_dir_all(&partial).map_err(|e| AlignError::file(&partial, e))?;
        parameters(&partial)?;
        save_tensors(&partial.join(OPTIMIZER), &trainer.optimiser_state())?;
        let state = json!({"global_step": step, "total_steps": trainer.total_steps()});
        write_whole(&partial.join(STATE), format!("{state:#}\n").as_bytes())?;
        fs::rename(&partial, &dir).map_err(|e| AlignError::file(&dir, e))?;
        let all = self.checkpoints()?;
        let old = all.len().saturating_sub(keep);
        all[..old].iter().try_for_each(|saved| remove(&saved.dir))
    }

    /// The log, cut back to the first `steps` steps; also the metrics that stay.
    ///
    /// # Errors
    /// [`AlignError::File`] if it cannot be read or written.
    pub fn metrics(&self, steps: usize) -> Result<(MetricsLog, Vec<StepMetrics>), AlignError> {
        let path = self.dir.join(METRICS);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let whole = text.lines().filter_map(|l| serde_json::from_str::<StepMetrics>(l).ok().map(|m| (l, m)));
        let kept: Vec<(&str, StepMetrics)> = whole.filter(|(_, m)| m.step <= steps).collect();
        let lines: String = kept.iter().flat_map(|(l, _)| [*l, "\n"]).collect();
        write_whole(&path, lines.as_bytes())?;
        for old in fs::read_dir(&self.dir).map_err(|e| AlignError::file(&self.dir, e))?.flatten() {
            if old.file_name().to_string_lossy().starts_with("events.out.tfevents.") {
                fs::remove_file(old.path()).map_err(|e| AlignError::file(&old.path(), e))?;
            }
        }
        let events = EventWriter::create(&self.dir).map_err(|e| AlignError::file(&self.dir, e))?;
        let lines = File::options().append(true).open(&path).map_err(|e| AlignError::file(&path, e))?;
        let mut log = MetricsLog { path, lines, events };
        let kept: Vec<StepMetrics> = kept.into_iter().map(|(_, m)| m).collect();
        kept.iter().try_for_each(|m| log.event(m))?;
        Ok((log, kept))
    }
}

impl Saved {
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

fn remove(dir: &Path) -> Result<(), AlignError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(AlignError::file(dir, e)),
        _ => Ok(()),
    }
}
