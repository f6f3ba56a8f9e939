//! Whether the record files of a run folder belong together.

use crate::folder;
use anyhow::{Result, ensure};
use mosa_attack::CaseRecord;
use mosa_records::names::{ANSWERS, CASES};
use mosa_records::{AnswerRecord, Record};
use std::collections::BTreeSet;
use std::path::Path;

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
