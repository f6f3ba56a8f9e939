//! The record files of a run folder: their names, and whether they belong together.

use crate::folder;
use anyhow::{Result, ensure};
use mosa_attack::CaseRecord;
use mosa_records::{AnswerRecord, Record};
use std::collections::BTreeSet;
use std::path::Path;

/// Records of answers.
pub(crate) const ANSWERS: &str = "answers.jsonl";
/// Records of cases.
pub(crate) const CASES: &str = "cases.jsonl";
/// Records of searches.
pub(crate) const CURVES: &str = "curves.jsonl";
/// Every call of an attack.
pub(crate) const JOURNAL: &str = "journal.jsonl";
/// Records of landscapes.
pub(crate) const LANDSCAPES: &str = "landscapes.jsonl";
/// Records of orders.
pub(crate) const ORDERS: &str = "orders.jsonl";
/// Records of answers of the embedded world.
pub(crate) const RECORDS: &str = "records.jsonl";
/// What cases took of the time.
pub(crate) const SECONDS: &str = "seconds.jsonl";
/// Records of verdicts.
pub(crate) const VERDICTS: &str = "verdicts.jsonl";

/// Refuses a run whose cases name answers that it does not hold.
///
/// # Errors
/// A sentence with what to do.
pub(crate) fn check_answers(run: &Path, answers: &[AnswerRecord]) -> Result<()> {
    let cases: Vec<CaseRecord> = folder::read(&run.join(CASES))?;
    let held: BTreeSet<String> = answers.iter().map(Record::key).collect();
    let lost = cases.iter().flat_map(|c| &c.candidates).filter(|key| !held.contains(*key)).count();
    let run = run.display();
    ensure!(
        lost == 0,
        "{run}: {ANSWERS} lacks {lost} answers that {CASES} names; the command that made the run makes them again"
    );
    Ok(())
}
