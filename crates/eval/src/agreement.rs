//! Two judges of the same answers.

use crate::Run;
use crate::count::distinct;
use mosa_core::stats::Paired;
use mosa_records::View;
use std::collections::HashMap;

/// What two judges said of the answers both of them assessed.
pub(crate) struct Agreement<'a> {
    /// The judges.
    pub judges: [&'a str; 2],
    /// Successes by the first and by the second.
    pub paired: Paired,
}

/// The first judge of a run beside each of the others, over all answers.
pub(crate) fn agreements(run: &Run) -> Vec<Agreement<'_>> {
    let judges = distinct(run.verdicts.iter().map(|v| v.judge.as_str()));
    let Some((first, others)) = judges.split_first() else { return Vec::new() };
    let of = |judge: &str| {
        let own = run.verdicts.iter().filter(|v| v.judge == judge && v.view == View::Answer);
        own.filter_map(|v| Some((v.answer.as_str(), v.success?))).collect::<HashMap<_, _>>()
    };
    let base = of(first);
    let against = |judge: &&'_ str| {
        let other = of(judge);
        base.iter().filter_map(|(answer, x)| Some((*x, *other.get(answer)?))).collect()
    };
    others.iter().map(|judge| Agreement { judges: [*first, *judge], paired: against(judge) }).collect()
}
