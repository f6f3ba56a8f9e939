//! Which answers of a run are exported.

use crate::args::DataExportArgs;
use mosa_attack::CaseRecord;
use mosa_records::{AnswerRecord, Record};

/// Whether an attack is asked for.
pub(super) fn wanted(args: &DataExportArgs, attack: &str) -> bool {
    args.attack.as_deref().is_none_or(|a| a == attack)
}

/// The behaviour an answer is for; answers of probes bear its id.
pub(super) fn case_of(answer: &AnswerRecord) -> &str {
    answer.tags.get("case").unwrap_or(&answer.id)
}

/// Whether the attack would submit the answer; a probe submits them all.
pub(super) fn is_selected(answer: &AnswerRecord, case: Option<&CaseRecord>) -> bool {
    match (case, answer.tags.get("selected")) {
        (Some(case), _) => case.selected.as_ref() == Some(&answer.key()),
        (None, Some(tag)) => tag == "true",
        (None, None) => true,
    }
}
