//! The order probe (MOSA, Fig. 5): which positions are revealed at which step.

use crate::case::complete;
use crate::{Case, ProbeError};
use mosa_core::Cause;
use mosa_engine::Options;
use mosa_records::OrderRecord;
use mosa_runtime::{Answered, Runtime};

/// Decodes the cases together and keeps when what was revealed. Words and end tokens are kept apart: an answer's tail of
/// end tokens is often revealed first and says nothing about the order of its words. Once a stop is asked for, only the
/// first cases that are complete.
///
/// # Errors
/// [`ProbeError`] if a case does not fit the model or decoding fails.
pub fn order(runtime: &Runtime, options: &Options, cases: &[Case]) -> Result<Vec<OrderRecord>, ProbeError> {
    let asked: Vec<_> = cases.iter().map(Case::plain).collect();
    let answers = complete(runtime.answered(options, &asked)?)?;
    let ends = runtime.text().special.ends();
    let record = |(Answered { answer, prompt, .. }, case): (&Answered, &Case)| {
        let total = answer.trace.steps.last().map_or(0, |s| s.step.clock as usize + 1);
        let (mut words, mut tail) = (vec![Vec::new(); total], vec![Vec::new(); total]);
        for step in &answer.trace.steps {
            for edit in step.edits.iter().filter(|e| e.cause == Cause::Committed) {
                // The last block may reach beyond the response.
                let at = edit.position.checked_sub(*prompt).filter(|at| *at < options.gen_length);
                let Some(at) = at else { continue };
                let group = if ends.contains(&edit.token) { &mut tail } else { &mut words };
                group[step.step.clock as usize].push(at);
            }
        }
        words.iter_mut().chain(&mut tail).for_each(|at| at.sort_unstable());
        OrderRecord { group: case.group.clone(), id: case.id.clone(), length: options.gen_length, words, ends: tail }
    };
    Ok(answers.iter().zip(cases).map(record).collect())
}
