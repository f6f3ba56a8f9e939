//! One answer that is asked for, and what came of it.

use anyhow::Error;
use mosa_records::{DefenceAct, SampleRecord};
use mosa_task::{Item, Said, Task};

/// One answer that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub item: &'a Item,
    /// Which of several answers, from 0.
    pub attempt: usize,
}

impl Case<'_> {
    /// Key of its record, and of every random draw of its answer.
    pub(crate) fn key(&self, task: &dyn Task) -> String {
        SampleRecord::key_of(task.name(), &self.item.id, self.attempt)
    }
}

/// Why an answer ended that never came.
pub(crate) const FAILED: &str = "failed";

/// What came of a case.
pub(crate) struct Reply {
    pub said: Said,
    /// Why the answer ended; `chosen` where choices were scored.
    pub finish: String,
    /// Model calls.
    pub forwards: usize,
    /// What defences did.
    pub defences: Vec<DefenceAct>,
}

/// Why nothing came of a case.
pub(crate) enum Unreplied {
    /// A stop was asked for.
    Interrupted,
    Failed(Error),
}
