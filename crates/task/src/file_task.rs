//! A task that a file describes, with its items.

use crate::metric::Rule;
use crate::{Ask, Item, Said, Scoring, Task, TaskError, TaskFile};
use serde_json::Value;

/// A benchmark of a [`TaskFile`], loaded.
#[derive(Debug)]
pub struct FileTask {
    pub(crate) file: TaskFile,
    pub(crate) items: Vec<Item>,
    pub(crate) said: Value,
}

impl Task for FileTask {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn protocol(&self) -> &str {
        self.file.protocol()
    }

    fn said(&self) -> Value {
        self.said.clone()
    }

    fn items(&self) -> &[Item] {
        &self.items
    }

    fn ask(&self) -> &Ask {
        self.file.ask()
    }

    fn metrics(&self) -> Vec<String> {
        self.file.plan.scorers.iter().map(|scorer| scorer.name.clone()).collect()
    }

    fn runs_programs(&self) -> bool {
        self.file.plan.scorers.iter().any(|scorer| matches!(scorer.rule, Rule::Program { .. }))
    }

    fn score(&self, item: &Item, said: &Said) -> Result<Vec<Scoring>, TaskError> {
        let cut = match (said, self.ask()) {
            (Said::Text(text), Ask::Generate(generate)) => Said::Text(generate.cut(text).to_owned()),
            _ => said.clone(),
        };
        self.file.plan.scorers.iter().map(|scorer| scorer.score(&self.file.plan.templates, item, &cut)).collect()
    }
}
