//! Which items of a benchmark are run, and with which shots.

use crate::TaskError;
use mosa_text::{Prompt, PromptRecord, stratified_sample};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;

/// A part of a benchmark: of some groups, and of these the first or a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these groups; all if empty.
    pub groups: Vec<String>,
    /// Only so many items from the first.
    pub limit: Option<usize>,
    /// Only a sample of so many items, every group in proportion.
    pub sample: Option<usize>,
    /// The sample's seed.
    pub seed: u64,
    /// Shots per question, where they are not as many as the task file says.
    pub shots: Option<usize>,
    /// The file or folder the shots are in, if not where the task file says.
    pub shots_file: Option<PathBuf>,
}

/// What an item is selected by.
pub(crate) struct Candidate<'a> {
    pub(crate) id: &'a str,
    pub(crate) group: Option<&'a str>,
}

impl Choice {
    /// The places of what is selected, in order.
    pub(crate) fn of(&self, all: &[Candidate<'_>]) -> Result<Vec<usize>, TaskError> {
        if self.limit == Some(0) || self.sample == Some(0) {
            return Err(TaskError::Setting("--limit and --sample must be positive".into()));
        }
        self.known_groups(all)?;
        let chosen =
            |c: &Candidate<'_>| self.groups.is_empty() || c.group.is_some_and(|g| self.groups.iter().any(|n| n == g));
        let mut places: Vec<usize> = (0..all.len()).filter(|i| chosen(&all[*i])).collect();
        places.truncate(self.limit.unwrap_or(usize::MAX));
        if let Some(n) = self.sample {
            let record = |i: &usize| PromptRecord {
                category: all[*i].group.map(str::to_owned),
                ..PromptRecord::new(all[*i].id, Prompt::Raw(String::new()))
            };
            let drawn = stratified_sample(places.iter().map(record).collect(), n, self.seed);
            let drawn: HashSet<String> = drawn.into_iter().map(|r| r.id).collect();
            places.retain(|i| drawn.contains(all[*i].id));
        }
        match places.is_empty() {
            true => Err(TaskError::Setting("nothing is left of the selection; take more items".into())),
            false => Ok(places),
        }
    }

    fn known_groups(&self, all: &[Candidate<'_>]) -> Result<(), TaskError> {
        let there: HashSet<&str> = all.iter().filter_map(|c| c.group).collect();
        let Some(unknown) = self.groups.iter().find(|g| !there.contains(g.as_str())) else { return Ok(()) };
        let mut there: Vec<&str> = there.into_iter().collect();
        there.sort_unstable();
        let what =
            if there.is_empty() { "the task has no groups".into() } else { format!("there are: {}", there.join(", ")) };
        Err(TaskError::Setting(format!("--groups {unknown}: no item is of this group; {what}")))
    }

    /// What it is, for the manifest.
    pub(crate) fn said(&self) -> Value {
        json!({
            "groups": self.groups,
            "limit": self.limit,
            "sample": self.sample,
            "seed": self.sample.map(|_| self.seed),
        })
    }
}
