//! Which stages are finished: a line for each in the run folder, so that they are not opened again.

use super::stages::Stage;
use crate::folder;
use anyhow::Result;
use mosa_records::names::MANIFEST;
use mosa_records::{Log, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The file.
const FILE: &str = "stages.jsonl";

/// A finished stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StageRecord {
    pub stage: String,
    /// How long the session took over it that finished it.
    pub seconds: f64,
}

impl Record for StageRecord {
    const SCHEMA: &'static str = "stage/1";

    fn key(&self) -> String {
        self.stage.clone()
    }
}

/// What a list said when it was read.
#[derive(Default)]
pub(super) struct List(Vec<StageRecord>);

impl List {
    /// Whether all stages are finished and their folders still there.
    pub(super) fn has_all(&self, stages: &[Stage]) -> bool {
        let done: BTreeSet<&str> = self.0.iter().map(|record| record.stage.as_str()).collect();
        stages.iter().all(|stage| done.contains(stage.name.as_str()) && stage.folder.join(MANIFEST).exists())
    }

    /// How many of some stages are finished, and the seconds of these.
    pub(super) fn counted(&self, stages: &[Stage]) -> (usize, f64) {
        let own = self.0.iter().filter(|record| stages.iter().any(|stage| stage.name == record.stage));
        own.fold((0, 0.0), |(n, seconds), record| (n + 1, seconds + record.seconds))
    }
}

/// The finished stages of a run.
pub(super) struct Finished(Log<StageRecord>);

impl Finished {
    /// Opens the list of a run folder.
    pub(super) fn open(out: &Path) -> Result<Self> {
        Ok(Self(folder::log(&out.join(FILE))?))
    }

    /// What the list of a folder says, if there is one.
    pub(super) fn read(out: &Path) -> Result<List> {
        Ok(List(folder::read(&out.join(FILE))?))
    }

    /// Whether a stage is finished and its folder still there.
    pub(super) fn has(&self, stage: &Stage) -> bool {
        self.0.has(&stage.name) && stage.folder.join(MANIFEST).exists()
    }

    /// Notes that a stage is finished; done again, it keeps its first line.
    pub(super) fn note(&mut self, stage: &Stage, seconds: f64) -> Result<()> {
        if !self.0.has(&stage.name) {
            self.0.push(StageRecord { stage: stage.name.clone(), seconds })?;
        }
        Ok(())
    }
}
