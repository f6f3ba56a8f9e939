//! The monitor probe: requests, plain and attacked, decoded under monitors that only watch.

use crate::{Case, ProbeError, case::complete};
use mosa_defence::monitor::{Reading, Watching};
use mosa_engine::Options;
use mosa_records::{MonitorReading, MonitorRecord};
use mosa_runtime::{Ask, Defence, Runtime, Shown, When, Words, Written};
use std::sync::Arc;

/// Words that are spread over the canvas before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Response offset.
    pub offset: usize,
    /// The words.
    pub text: String,
}

/// A request under watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The request, and the words forced at one place.
    pub case: Case,
    /// Words at further places.
    pub anchors: Vec<Anchor>,
}

impl Watched {
    /// Key of its record.
    pub fn key(&self) -> String {
        self.case.key()
    }

    fn ask(&self) -> Ask {
        let mut ask = self.case.ask();
        ask.written.extend(self.anchors.iter().map(|anchor| Written {
            offset: anchor.offset,
            words: Words::Text(anchor.text.clone()),
            when: When::Step(0),
            remask: false,
        }));
        ask
    }
}

/// Labels as PAD places them in DiffuGuard's code: label i from 0 of m at (i + 1) times L / (m + 1) / 1.5, each rounded down.
pub fn pad(labels: &[String], gen_length: usize) -> Vec<Anchor> {
    let gap = ((gen_length / (labels.len() + 1)) as f64 / 1.5) as usize;
    (1..).zip(labels).map(|(n, label)| Anchor { offset: gap * n, text: label.clone() }).collect()
}

/// Decodes requests under monitors, behind the defences that `runtime` has; one record each, in order. `from`: the first step at
/// which a monitor that runs could stop a row. Once a stop is asked for, only the first ones that are complete.
///
/// # Errors
/// [`ProbeError`] if a request does not fit the model or decoding fails.
pub fn watched(
    runtime: &Runtime,
    options: &Options,
    (watching, from): (&Arc<Watching>, u64),
    cases: &[Watched],
) -> Result<Vec<MonitorRecord>, ProbeError> {
    let stack = runtime.defences().with(Arc::clone(watching) as Arc<dyn Defence>)?;
    let asks: Vec<Ask> = cases.iter().map(Watched::ask).collect();
    let shown = complete(runtime.defended(stack).answer(options, &asks)?)?;
    let record = |(shown, case): (Shown, &Watched)| {
        let readings = watching.take(&case.key());
        MonitorRecord {
            group: case.case.group.clone(),
            id: case.case.id.clone(),
            readings: readings.iter().map(|reading| recorded(reading, from)).collect(),
            text: shown.texts.after_forced.unwrap_or(shown.texts.to_end),
            finish: shown.finish,
            forwards: shown.forwards,
        }
    };
    Ok(shown.into_iter().zip(cases).map(record).collect())
}

fn recorded(reading: &Reading, from: u64) -> MonitorReading {
    let suspicious = reading.entry.suspicious;
    let (steps, values) = reading.values.iter().copied().unzip();
    MonitorReading {
        monitor: reading.entry.name.to_owned(),
        suspicious: suspicious.word().to_owned(),
        value: reading.value(),
        peak: reading.peak(from).map(|score| suspicious.score(score)),
        steps,
        values,
    }
}
