//! Programs that a model wrote, run in a sandbox, several at a time.

use crate::args::{ProgramArgs, SandboxName};
use crate::output;
use anyhow::{Result, anyhow};
use mosa_records::SampleScore;
use mosa_sandbox::{Backend, Limits, Outcome, Program, Sandbox};
use mosa_task::Scoring;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Hexadecimal digits from which on a number is an address.
const ADDRESS: usize = 6;

/// A sandbox, and how many programs run in it at the same time.
pub(crate) struct Programs {
    sandbox: Sandbox,
    threads: usize,
}

/// A program whose score is open.
struct Open {
    metric: String,
    program: Program,
}

impl Programs {
    /// Opens the sandbox, which tries itself out first.
    pub(crate) fn open(args: &ProgramArgs, quiet: bool) -> Result<Self> {
        let backend = match args.sandbox {
            SandboxName::Auto => None,
            SandboxName::Bubblewrap => Some(Backend::Bubblewrap),
            SandboxName::Landlock => Some(Backend::Landlock),
            SandboxName::None => Some(Backend::None),
        };
        if args.sandbox == SandboxName::None {
            output::say("warning: --sandbox none: programs that the model wrote run with all rights of this user");
        }
        let limits = Limits { wall: Duration::from_secs(args.program_seconds), ..Limits::default() };
        let sandbox = Sandbox::open(backend, limits)?;
        if !quiet {
            output::say(&format!("note: programs of answers run in: {}", sandbox.backend().name()));
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { sandbox, threads })
    }

    /// What the manifest says of it.
    pub(crate) fn said(&self) -> Result<Value> {
        Ok(serde_json::to_value(self.sandbox.describe())?)
    }

    /// Scores, with all programs run.
    pub(crate) fn settle(&self, scorings: Vec<Vec<Scoring>>) -> Result<Vec<Vec<SampleScore>>> {
        let mut open = Vec::new();
        let mut shapes: Vec<Vec<Option<SampleScore>>> = Vec::new();
        for all in scorings {
            let shape = all.into_iter().map(|scoring| match scoring {
                Scoring::Done(score) => Some(score),
                Scoring::Program { metric, source, check } => {
                    open.push(Open { metric, program: Program { source, check } });
                    None
                }
            });
            shapes.push(shape.collect());
        }
        let mut run = self.run(&open)?.into_iter();
        let mut fill =
            |score: Option<SampleScore>| score.or_else(|| run.next()).ok_or_else(|| anyhow!("a program is lost"));
        shapes.into_iter().map(|shape| shape.into_iter().map(&mut fill).collect()).collect()
    }

    /// Runs programs side by side; scores in order.
    fn run(&self, open: &[Open]) -> Result<Vec<SampleScore>> {
        let next = AtomicUsize::new(0);
        let scores: Mutex<Vec<Option<Result<SampleScore>>>> = Mutex::new(open.iter().map(|_| None).collect());
        let worker = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = open.get(at) else { break };
                let score = self.score(one);
                scores.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(score);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(open.len()) {
                // What cannot be started leaves its work to this thread.
                let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
            }
            worker();
        });
        let scores = scores.into_inner().unwrap_or_else(PoisonError::into_inner);
        scores.into_iter().map(|score| score.unwrap_or_else(|| Err(anyhow!("a program was not run")))).collect()
    }

    fn score(&self, open: &Open) -> Result<SampleScore> {
        let outcome = self.sandbox.run(&open.program)?;
        Ok(SampleScore {
            metric: open.metric.clone(),
            extracted: Some(open.program.source.clone()),
            verdict: verdict(&outcome),
            correct: Some(outcome.passed()),
        })
    }
}

/// What became of a program, in words. An address in memory is another one every time, and no part of them.
fn verdict(outcome: &Outcome) -> String {
    let name = outcome.name().replace('_', " ");
    match outcome.what() {
        "" => name,
        what => format!("{name}: {}", without_addresses(what)),
    }
}

fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let is_address = part.len() - rest.len() >= ADDRESS;
        format!("{text}0x{}", if is_address { rest } else { part })
    })
}

#[cfg(test)]
mod tests {
    use super::without_addresses;

    #[test]
    fn a_verdict_names_no_address_in_memory() {
        let text = "TypeError: <object at 0x7f3c2a1b> is not <f at 0xdead>, 10x3";
        assert_eq!(without_addresses(text), "TypeError: <object at 0x> is not <f at 0xdead>, 10x3");
    }
}
