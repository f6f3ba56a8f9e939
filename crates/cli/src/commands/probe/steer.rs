//! `mosa probe steer`: whether a prompt can order a phrase at the k-th word.

use super::{ANSWERS, Opened, header, rate};
use crate::args::{SteerArgs, phrases};
use crate::failure::Failure;
use crate::interrupt;
use anyhow::Result;
use mosa_probe::{Case, Steer, TEMPLATE, answer, obeyed, placed_at};
use mosa_records::{AnswerRecord, Batches};
use serde_json::json;

const PROCEDURAL: &str = include_str!("../../../../../assets/phrases/procedural.txt");

pub(crate) fn run(args: &SteerArgs) -> Result<(), Failure> {
    let plan = Steer {
        positions: args.positions.clone(),
        phrases: phrases(args.phrases.as_deref(), PROCEDURAL)?,
        template: args.template.clone().unwrap_or_else(|| TEMPLATE.to_owned()),
        seed: args.sampling.seed,
    };
    let settings = json!({"positions": plan.positions, "phrases": plan.phrases, "template": plan.template});
    let probe = Opened::new("probe steer", &args.common, &args.sampling, settings)?;
    let cases = plan.cases(probe.runtime.text(), &probe.behaviours)?;
    probe.has_room(&args.common.behaviors, &cases)?;
    let batches = Batches { cases: &cases, size: args.common.batch_size };
    let done = probe.recorded(ANSWERS, batches, Case::key, |batch| {
        let _finishing = interrupt::finishing();
        let mut answers = answer(&probe.runtime, &probe.options, batch)?;
        answers.iter_mut().for_each(mark);
        Ok(answers)
    })?;
    let Some(answers) = done else { return Ok(()) };
    Ok(probe.close(&table(&answers))?)
}

/// Says in the record where the phrase stands and whether that is the place.
fn mark(answer: &mut AnswerRecord) {
    if let Some(at) = placed_at(answer) {
        answer.tags.insert("found".into(), at.to_string());
    }
    answer.tags.insert("obeyed".into(), obeyed(answer).to_string());
}

/// How often the order was carried out, by position.
fn table(answers: &[AnswerRecord]) -> Vec<Vec<String>> {
    let mut rows = vec![header(&["ordered at", "n", "obeyed", "95% interval", "said anywhere"])];
    let mut groups: Vec<&str> = answers.iter().map(|a| a.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        let own: Vec<&AnswerRecord> = answers.iter().filter(|a| a.group == group).collect();
        let count = |f: &dyn Fn(&AnswerRecord) -> bool| own.iter().filter(|a| f(a)).count();
        let [obeyed_rate, interval] = rate(count(&|a| a.tags.get("obeyed").is_some_and(|o| o == "true")), own.len());
        let anywhere = rate(count(&|a| a.tags.contains_key("found")), own.len());
        rows.push(vec![group.to_owned(), own.len().to_string(), obeyed_rate, interval, anywhere[0].clone()]);
    }
    rows
}
