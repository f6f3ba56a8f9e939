//! A place in front of a model from which monitors watch and change nothing.

use super::{Limit, MONITORS, Making, MonitorEntry, Question, Reading, Tokens, Watch, WordLists, monitor};
use crate::DefenceError;
use crate::steps::first_block;
use mosa_engine::Intervention;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use mosa_text::TextModel;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Which monitors watch, and the words they look for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchingSettings {
    /// Names, in the order of their records.
    pub monitors: Vec<String>,
    /// Words.
    pub words: WordLists,
}

impl Default for WatchingSettings {
    fn default() -> Self {
        Self { monitors: MONITORS.iter().map(|m| m.name.to_owned()).collect(), words: WordLists::default() }
    }
}

/// What [`Defence::intervention`] is told.
#[derive(Clone, Copy)]
pub struct Hook<'a> {
    /// The model without defences.
    pub model: &'a Runtime,
    /// The request.
    pub row: &'a Guarded<'a>,
    /// Who hears of calls.
    pub acts: &'a Acts,
}

/// Monitors with their words as tokens.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Which.
    pub entries: Vec<&'static MonitorEntry>,
    tokens: Arc<Tokens>,
}

impl Ready {
    /// Finds monitors and tokens.
    ///
    /// # Errors
    /// [`DefenceError`] if there is no such monitor, or no token for the words.
    pub fn new(text: &TextModel, settings: &WatchingSettings) -> Result<Self, DefenceError> {
        let entries = settings.monitors.iter().map(|name| monitor(name)).collect::<Result<_, _>>()?;
        Ok(Self { entries, tokens: Arc::new(Tokens::new(text, &settings.words)?) })
    }

    /// A watch on a row; what monitors ask of the model is asked now, and told to `acts`.
    ///
    /// # Errors
    /// [`RuntimeError`] if the model fails.
    pub fn watch(
        &self,
        Hook { model, row, acts }: Hook<'_>,
        limit: Option<Limit>,
        out: Arc<Mutex<Vec<Reading>>>,
    ) -> Result<Watch, RuntimeError> {
        let question = if self.entries.iter().any(|entry| entry.asks) {
            acts.spent(1);
            Some(Question::ask(model, row.prompt, row.options.schedule.plan().attention())?)
        } else {
            None
        };
        let start = row.prompt.len();
        let block = first_block(start, row.options);
        let making = Making { tokens: Arc::clone(&self.tokens), question, block, layers: model.spec().layers };
        let watch = Watch::new(&self.entries, &making, start + row.options.gen_length, out);
        Ok(match limit {
            Some(limit) => watch.until(limit),
            None => watch,
        })
    }
}

/// What monitors said, by the id of the request.
type Said = Mutex<HashMap<String, Arc<Mutex<Vec<Reading>>>>>;

/// Monitors that only watch: every answer is the one it is without them.
#[derive(Debug)]
pub struct Watching {
    ready: Ready,
    said: Said,
}

impl Watching {
    /// Its name.
    pub const NAME: &'static str = "monitor";

    /// These monitors.
    pub fn new(ready: Ready) -> Self {
        Self { ready, said: Mutex::default() }
    }

    /// What was said of a request; of its first draw, if it had several. Nothing of one that was not decoded.
    pub fn take(&self, id: &str) -> Vec<Reading> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        said.map_or(Vec::new(), |said| std::mem::take(&mut said.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Defence for Watching {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        model: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        let out: Arc<Mutex<Vec<Reading>>> = Arc::default();
        let watch = self.ready.watch(Hook { model, row, acts }, None, Arc::clone(&out))?;
        self.said.lock().unwrap_or_else(PoisonError::into_inner).entry(row.ask.id.clone()).or_insert(out);
        Ok(Some(Box::new(watch)))
    }
}
