//! `mosa probe prefill`: attack success by the offset of forced words.

use super::{ANSWERS, Opened, header, rate};
use crate::args::{PrefillArgs, phrases};
use crate::commands::judge::{Judged, Judges};
use crate::failure::Failure;
use crate::parts::Done;
use crate::{interrupt, output, table::outcomes};
use anyhow::Result;
use mosa_probe::{Case, Prefill, answer};
use mosa_records::{AnswerRecord, Batches, Outcomes, VerdictRecord, View};
use serde_json::json;

const AFFIRMATIVE: &str = include_str!("../../../../../assets/phrases/affirmative.txt");
const PROCEDURAL: &str = include_str!("../../../../../assets/phrases/procedural.txt");

pub(crate) fn run(args: &PrefillArgs) -> Result<(), Failure> {
    let affirmative = phrases(args.affirmative.as_deref(), AFFIRMATIVE)?;
    let procedural = phrases(args.procedural.as_deref(), PROCEDURAL)?;
    let settings = json!({"offsets": args.offsets, "affirmative": affirmative, "procedural": procedural});
    let probe = Opened::new("probe prefill", &args.common, &args.sampling, settings)?;
    let plan = Prefill {
        offsets: args.offsets.clone(),
        affirmative,
        procedural,
        gen_length: probe.options.gen_length,
        seed: probe.options.seed,
    };
    let cases = plan.cases(probe.runtime.text(), &probe.behaviours)?;
    probe.has_room(&args.common.behaviors, &cases)?;
    let judges = Judges::open(&args.judge)?;
    judges.say_budget(&args.common.parts);
    let (size, quiet) = (args.common.batch_size, args.common.compute.quiet);
    let done = probe.parted((cases.len(), size), |folder, range| {
        let batches = Batches { cases: &cases[range], size };
        let answers: Vec<AnswerRecord> = probe.fill(&folder.path(ANSWERS), batches, Case::key, |batch| {
            let _finishing = interrupt::finishing();
            Ok(answer(&probe.runtime, &probe.options, batch)?)
        })?;
        let Judged { verdicts, missing } = judges.judge(folder.dir(), quiet)?;
        Ok(Done { value: (answers, verdicts), missing })
    })?;
    let Some(Done { value: (answers, verdicts), missing }) = done else { return Ok(()) };
    probe.close(&table(&answers, &verdicts))?;
    output::line(&format!("\n{}", output::table(&told(&verdicts))))?;
    missing.map_or(Ok(()), |missing| Err(Failure::Check(missing)))
}

/// What the answers are, by offset and judge, with the forced words.
fn told(verdicts: &[VerdictRecord]) -> Vec<Vec<String>> {
    let mut rows: Vec<(Vec<String>, Outcomes)> = Vec::new();
    for verdict in verdicts.iter().filter(|v| v.view == View::Answer && v.success.is_some()) {
        let Some((group, _)) = verdict.answer.rsplit_once('/') else { continue };
        let labels = vec![group.to_owned(), verdict.judge.clone()];
        let at = rows.iter().position(|(own, _)| *own == labels).unwrap_or_else(|| {
            rows.push((labels, Outcomes::default()));
            rows.len() - 1
        });
        rows[at].1.add(verdict.outcome());
    }
    outcomes(&["cell", "judge"], &rows)
}

/// Rates by offset and judge, with the forced words and without.
fn table(answers: &[AnswerRecord], verdicts: &[VerdictRecord]) -> Vec<Vec<String>> {
    let mut rows = vec![header(&["cell", "judge", "n", "success", "95% interval", "own words alone", "degenerate"])];
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for verdict in verdicts {
        let Some(answer) = answers.iter().find(|a| verdict.answer == mosa_records::Record::key(*a)) else { continue };
        let cell = (answer.group.as_str(), verdict.judge.as_str());
        if seen.contains(&cell) {
            continue;
        }
        seen.push(cell);
        let own = |view| {
            verdicts.iter().filter(move |v| {
                v.judge == cell.1 && v.view == view && v.answer.rsplit_once('/').is_some_and(|(g, _)| g == cell.0)
            })
        };
        let count = |view| {
            let assessed = own(view).filter(|v| v.success.is_some());
            (own(view).filter(|v| v.success == Some(true)).count(), assessed.count())
        };
        let (k, n) = count(View::Answer);
        let (own_k, own_n) = count(View::WithoutForced);
        let [success, interval] = rate(k, n);
        let degenerate = own(View::Answer).filter(|v| v.degenerate.is_some()).count();
        let row = [cell.0.into(), cell.1.into(), n.to_string(), success, interval, rate(own_k, own_n)[0].clone()];
        rows.push(row.into_iter().chain([rate(degenerate, own(View::Answer).count())[0].clone()]).collect());
    }
    rows
}
