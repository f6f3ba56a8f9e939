//! The models a server has, by name, and what a request may choose of them.

use crate::scores::Scores;
use crate::{Fault, Knobs};
use mosa_engine::Options;
use mosa_runtime::{Defence, Runtime, RuntimeError, Stack};
use mosa_text::TextModel;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Options of the engine for what a request says; a sentence if they contradict each other.
pub type Sampler = Arc<dyn Fn(&Knobs) -> Result<Options, String> + Send + Sync>;

/// A model that is served: weights with an adapter or none, behind defences or none.
pub struct Served {
    /// Its name.
    pub name: String,
    /// Threads that decode it, each with a handle of the same weights.
    pub workers: Vec<Runtime>,
    /// How a request is decoded.
    pub sampler: Sampler,
    /// Defences by name, in the order they act. A request may leave some of them out.
    pub defences: Vec<Arc<dyn Defence>>,
    /// Hash of weights and adapter.
    pub fingerprint: String,
}

/// All models of a server.
pub(crate) struct Models {
    all: Vec<One>,
}

/// A model, and who is at work on it.
pub(crate) struct One {
    pub served: Served,
    pub scores: Scores,
    busy: Vec<AtomicUsize>,
}

/// A worker for as long as an answer takes.
pub(crate) struct Turn<'a> {
    one: &'a One,
    at: usize,
}

impl Models {
    pub(crate) fn new(all: Vec<Served>) -> Self {
        let one = |served: Served| One {
            busy: served.workers.iter().map(|_| AtomicUsize::new(0)).collect(),
            scores: Scores::default(),
            served,
        };
        Self { all: all.into_iter().map(one).collect() }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Served> {
        self.all.iter().map(|one| &one.served)
    }

    /// The model of this name, or the first.
    pub(crate) fn named(&self, name: Option<&str>) -> Result<&One, Fault> {
        let found = match name {
            Some(name) => self.all.iter().find(|one| one.served.name == name),
            None => self.all.first(),
        };
        found.ok_or_else(|| {
            let known: Vec<&str> = self.all().map(|served| served.name.as_str()).collect();
            let message =
                format!("there is no model {:?}: this server has {}", name.unwrap_or_default(), known.join(", "));
            let status = axum::http::StatusCode::NOT_FOUND;
            Fault { param: Some("model".into()), ..Fault::new(status, "model_not_found", message) }
        })
    }
}

impl One {
    /// The worker with least to do.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let least = (0..self.busy.len()).min_by_key(|&at| self.busy[at].load(Ordering::Relaxed)).unwrap_or(0);
        self.busy[least].fetch_add(1, Ordering::Relaxed);
        Turn { one: self, at: least }
    }

    /// How a request is decoded.
    pub(crate) fn options(&self, knobs: &Knobs) -> Result<Options, Fault> {
        (self.served.sampler)(knobs).map_err(|what| Fault::field("mosa", what))
    }

    /// Its words.
    pub(crate) fn text(&self) -> &TextModel {
        self.served.workers[0].text()
    }

    /// The defences of these names, in the order the server has them; all of them where none are named.
    pub(crate) fn stack(&self, names: Option<&[String]>) -> Result<Stack, Fault> {
        let known = &self.served.defences;
        let Some(names) = names else { return stacked(known.clone()) };
        if let Some(name) = names.iter().find(|name| known.iter().all(|d| d.name() != name.as_str())) {
            let has: Vec<&str> = known.iter().map(|d| d.name()).collect();
            let has = if has.is_empty() { "none".into() } else { has.join(", ") };
            let message = format!("the defence {name:?} is not loaded: this server was started with {has} (--defence)");
            return Err(Fault::field("mosa.defences", message));
        }
        stacked(known.iter().filter(|d| names.iter().any(|name| name == d.name())).cloned().collect())
    }
}

fn stacked(defences: Vec<Arc<dyn Defence>>) -> Result<Stack, Fault> {
    Stack::new(defences).map_err(|error: RuntimeError| error.into())
}

impl Turn<'_> {
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.one.served.workers[self.at]
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.one.busy[self.at].fetch_sub(1, Ordering::Relaxed);
    }
}
