//! The intervention that shows a row to monitors, and ends it where one of them is above its threshold.

use super::{Known, Look, Making, Monitor, MonitorEntry, Tokens};
use mosa_core::Canvas;
use mosa_engine::{EngineError, Flow, HiddenAt, Intervention, Step};
use mosa_records::DefenceAct;
use mosa_runtime::Acts;
use std::sync::{Arc, Mutex, PoisonError};
use tch::Tensor;

/// What a monitor said of a row: (step, value) of every pass at which it was known, rounded to six digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The monitor.
    pub entry: &'static MonitorEntry,
    /// Steps and values, in order.
    pub values: Vec<(u64, f64)>,
}

impl Reading {
    /// The answer's value: the last that was known.
    pub fn value(&self) -> Option<f64> {
        self.values.last().map(|(_, value)| *value)
    }

    /// The highest score a row could have been stopped at: from step `from` on where the monitor runs.
    pub fn peak(&self, from: u64) -> Option<f64> {
        let counts = |at: &u64| self.entry.known == Known::First || *at >= from;
        let scores = self.values.iter().filter(|(at, _)| counts(at)).map(|(_, v)| self.entry.suspicious.score(*v));
        scores.max_by(f64::total_cmp)
    }
}

impl PartialEq for MonitorEntry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Where a row ends.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The score (the value, its sign turned where low ones are suspicious) from which on a row ends.
    pub score: f64,
    /// The first step at which a running monitor may end it.
    pub from: u64,
    /// Who hears of it.
    pub acts: Acts,
    /// The name of the defence.
    pub defence: &'static str,
}

/// A row under watch. It only watches.
pub struct Watch {
    monitors: Vec<(Box<dyn Monitor>, Reading)>,
    tokens: Arc<Tokens>,
    /// Canvas position behind the response.
    end: usize,
    limit: Option<Limit>,
    over: bool,
    out: Arc<Mutex<Vec<Reading>>>,
}

impl Watch {
    /// These monitors, on a row whose response ends before `end`; `out` gets what they say as they say it.
    pub fn new(entries: &[&'static MonitorEntry], making: &Making, end: usize, out: Arc<Mutex<Vec<Reading>>>) -> Self {
        let one = |entry: &&'static MonitorEntry| ((entry.make)(making), Reading { entry, values: Vec::new() });
        let monitors = entries.iter().map(one).collect();
        Self { monitors, tokens: Arc::clone(&making.tokens), end, limit: None, over: false, out }
    }

    /// The same, which ends the row where the first monitor reaches a limit.
    #[must_use]
    pub fn until(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Whether the latest value is the one the row ends at; it is told once.
    fn judge(&mut self, step: Step) {
        let (Some(limit), Some((_, reading))) = (&self.limit, self.monitors.first()) else { return };
        let Some(&(at, value)) = reading.values.last().filter(|(at, _)| *at == step.clock) else { return };
        let early = reading.entry.known == Known::Running && at < limit.from;
        if self.over || early || reading.entry.suspicious.score(value) < limit.score {
            return;
        }
        self.over = true;
        let did = format!("stopped by {}", reading.entry.name);
        limit.acts.did(DefenceAct::new(limit.defence, did).at(at).for_value(value));
    }
}

impl Intervention for Watch {
    fn name(&self) -> &str {
        self.limit.as_ref().map_or("monitor", |limit| limit.defence)
    }

    fn only_watches(&self) -> bool {
        true
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn wants_hidden(&self) -> bool {
        self.monitors.iter().any(|(monitor, _)| monitor.wants_hidden())
    }

    fn edits_hidden(&self) -> bool {
        false
    }

    fn edit_hidden(&mut self, _: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        for (monitor, _) in self.monitors.iter_mut().filter(|(monitor, _)| monitor.wants_hidden()) {
            monitor.see_hidden(at, &hidden)?;
        }
        Ok(hidden)
    }

    fn watches_logits(&self) -> bool {
        !self.over && self.monitors.iter().any(|(_, r)| r.entry.known == Known::Running || r.values.is_empty())
    }

    fn watch_logits(
        &mut self,
        step: Step,
        canvas: &Canvas,
        positions: &[usize],
        logits: &Tensor,
    ) -> Result<(), EngineError> {
        let mut look = Look::new(&self.tokens, (step, self.end), canvas, (positions, logits));
        if look.masked().is_empty() {
            return Ok(());
        }
        for (monitor, reading) in &mut self.monitors {
            if reading.entry.known == Known::First && !reading.values.is_empty() {
                continue;
            }
            let value = monitor.read(&mut look)?.map(rounded).filter(|value| value.is_finite());
            reading.values.extend(value.map(|value| (step.clock, value)));
        }
        let said = self.monitors.iter().map(|(_, reading)| reading.clone()).collect();
        *self.out.lock().unwrap_or_else(PoisonError::into_inner) = said;
        self.judge(step);
        Ok(())
    }

    fn is_over(&mut self, _: Step, _: &Canvas) -> Result<bool, EngineError> {
        Ok(self.over)
    }

    fn after_block(&mut self, _: Step, _: &mut Canvas) -> Result<Flow, EngineError> {
        Ok(if self.over { Flow::Stop } else { Flow::Continue })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
