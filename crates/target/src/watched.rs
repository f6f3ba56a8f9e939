//! A checkpoint whose answers a monitor sees, for attacks that are adaptive against it.

use crate::TargetError;
use mosa_attack::{Avoid, Seen};
use mosa_core::Toll;
use mosa_defence::monitor::{FirstPass, MonitorEntry, Ready, Tokens, Watching, monitor};
use mosa_defence::{DefenceError, Stop};
use mosa_engine::Options;
use mosa_probe::gcg;
use mosa_runtime::{Defence, Runtime};
use std::sync::Arc;

/// A runtime under watch.
pub(crate) struct Watched {
    /// The model behind its own defences, and behind those the monitor: it sees what a `stop` that is named last sees.
    pub(crate) runtime: Runtime,
    watching: Arc<Watching>,
    entry: &'static MonitorEntry,
    /// The suspicion from which on an answer is stopped.
    limit: Option<f64>,
    /// The first step at which a running monitor may stop it.
    from: u64,
    first: Option<FirstPass>,
}

impl Watched {
    /// The runtime under the monitor of a stop, which nothing stops here. `by_gradient`: searches follow it.
    pub(crate) fn new(runtime: &Runtime, stop: &Stop, by_gradient: bool) -> Result<Self, TargetError> {
        let (entry, settings) = (monitor(&stop.monitor)?, stop.watching());
        let first = match by_gradient {
            true => Some(FirstPass::new(entry.name, Tokens::new(runtime.text(), &settings.words)?)?),
            false => None,
        };
        let watching = Arc::new(Watching::new(Ready::new(runtime.text(), &settings)?));
        let stack = runtime.defences().with(Arc::clone(&watching) as Arc<dyn Defence>)?;
        let limit = stop.threshold.or(entry.threshold).map(|t| entry.suspicious.score(t));
        Ok(Self { runtime: runtime.defended(stack), watching, entry, limit, from: stop.from, first })
    }

    /// What the monitor said of a request; nothing of one that was not decoded, or too short for it.
    pub(crate) fn seen(&self, id: &str) -> Option<Seen> {
        let suspicion = self.watching.take(id).first()?.peak(self.from)?;
        let (monitor, value) = (self.entry.name.to_owned(), self.entry.suspicious.score(suspicion));
        Some(Seen { monitor, value, suspicion, limit: self.limit })
    }

    /// A term of the loss of searches for suffixes of a prompt of so many tokens.
    pub(crate) fn term(&self, asked: &Avoid, prompt: usize, options: &Options) -> Result<gcg::Avoid, TargetError> {
        let unwatched = || TargetError::Request(format!("no gradient of the monitor {} was asked for", asked.monitor));
        let monitor = self.first.clone().filter(|_| asked.monitor == self.entry.name).ok_or_else(unwatched)?;
        let positions = monitor.positions(prompt, options);
        Ok(gcg::Avoid { monitor, positions, toll: Toll { weight: asked.weight, limit: self.limit } })
    }
}

impl From<DefenceError> for TargetError {
    fn from(error: DefenceError) -> Self {
        match error {
            DefenceError::Runtime(error) => Self::Runtime(error),
            error => Self::Defence(Box::new(error)),
        }
    }
}
