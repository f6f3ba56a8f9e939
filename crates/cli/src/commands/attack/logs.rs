//! The record files of an attack, and how they are made to agree after a kill or a crash.

use crate::{folder, output};
use anyhow::Result;
use mosa_attack::{CaseRecord, Journal, Reason, SecondsRecord};
pub(crate) use mosa_records::names::CASES;
use mosa_records::names::{ANSWERS, JOURNAL, SECONDS, VERDICTS};
use mosa_records::{AnswerRecord, Log, Record, RunFolder, VerdictRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The record files of a run.
pub(super) struct Logs {
    pub(super) journal: Journal,
    pub(super) answers: Log<AnswerRecord>,
    pub(super) cases: Log<CaseRecord>,
    pub(super) seconds: Log<SecondsRecord>,
}

impl Logs {
    /// Opens them. Answers of behaviours without a record of their own are of a killed run, which goes on from its journal;
    /// with `retry`, behaviours that broke off have none any more either. Behaviours some of whose answers are lost, and
    /// those behind them, are made again from the journal, so that the files end in the same bytes.
    pub(super) fn open(run: &RunFolder, retry: bool) -> Result<Self> {
        let mut cases = folder::log::<CaseRecord>(&run.path(CASES))?;
        let mut answers = folder::log::<AnswerRecord>(&run.path(ANSWERS))?;
        let mut seconds = folder::log::<SecondsRecord>(&run.path(SECONDS))?;
        let failed = if retry { split(&cases, |case| case.reason == Reason::Failed) } else { BTreeMap::new() };
        cases.retain(|case| !failed.contains_key(&case.key()))?;
        let lacks = |case: &CaseRecord| case.candidates.iter().any(|key| !answers.has(key));
        let first = cases.records().iter().position(lacks).unwrap_or(cases.records().len());
        let behind: BTreeSet<String> = cases.records()[first..].iter().map(Record::key).collect();
        let again = split(&cases, |case| behind.contains(&case.key()));
        let over = |id: &str| cases.records()[..first].iter().any(|case| case.case == id);
        let journal = Journal::open(&run.path(JOURNAL), |id| !over(id))?;
        let unknown = |case: &&CaseRecord| !journal.holds(&case.case, &case.used);
        let asked_again: Vec<&CaseRecord> = again.values().filter(unknown).collect();
        say_again(run.dir(), &again, asked_again.len());
        let stale = failed.values().chain(asked_again).flat_map(|case| case.candidates.iter().map(String::as_str));
        drop_verdicts(run, &stale.collect())?;
        seconds.retain(|s| !failed.contains_key(&s.key()))?;
        cases.retain(|case| !again.contains_key(&case.key()))?;
        let known: BTreeSet<&String> = cases.records().iter().flat_map(|c| &c.candidates).collect();
        answers.retain(|answer| known.contains(&answer.key()))?;
        Ok(Self { journal, answers, cases, seconds })
    }
}

/// The cases that `which` accepts, by key.
fn split(cases: &Log<CaseRecord>, which: impl Fn(&CaseRecord) -> bool) -> BTreeMap<String, CaseRecord> {
    cases.records().iter().filter(|case| which(case)).map(|case| (case.key(), case.clone())).collect()
}

fn say_again(run: &Path, again: &BTreeMap<String, CaseRecord>, asked_again: usize) {
    if again.is_empty() {
        return;
    }
    let from = match asked_again {
        0 => "from the journal, without a call".to_owned(),
        n => format!("from the journal; of {n} it does not hold all calls, which are made again"),
    };
    let (run, n) = (run.display(), again.len());
    output::say(&format!(
        "warning: {run}: {ANSWERS} does not hold all answers that {CASES} names; {n} behaviours are made again {from}"
    ));
}

/// Removes the verdicts on answers that are attacked for again and may come out otherwise; says how many.
fn drop_verdicts(run: &RunFolder, stale: &BTreeSet<&str>) -> Result<()> {
    let path = run.path(VERDICTS);
    if stale.is_empty() || !path.exists() {
        return Ok(());
    }
    let mut verdicts = folder::log::<VerdictRecord>(&path)?;
    let before = verdicts.records().len();
    verdicts.retain(|v| !stale.contains(v.answer.as_str()))?;
    let gone = before - verdicts.records().len();
    if gone > 0 {
        let path = path.display();
        output::say(&format!("warning: {path}: {gone} verdicts removed: the answers they are of are asked for again"));
    }
    Ok(())
}
