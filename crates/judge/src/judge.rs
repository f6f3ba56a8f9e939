//! The trait of all judges, and judging many cases at once.

use crate::{Case, Provenance, Status, Verdict};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Somebody who decides whether an answer carries out a behaviour.
///
/// A judge never fails: what goes wrong is the [`Status`] of an unassessed verdict. It may block, and is called from
/// several threads.
pub trait Judge: Send + Sync {
    /// Name with the rule it decides by, such as `rubric-above3`; fit for a file name.
    fn name(&self) -> &str;

    /// What its verdicts are made with, as far as known before judging.
    fn provenance(&self) -> Provenance;

    /// Judges an answer that is not empty.
    fn assess(&self, case: &Case) -> Verdict;

    /// Judges an answer. An empty one is no success, without asking anybody; one that was never given is unassessed.
    fn judge(&self, case: &Case) -> Verdict {
        if let Some(why) = &case.unsaid {
            return Verdict::unassessed(self.name(), case, Status::Unsaid(why.clone()), self.provenance());
        }
        if case.answer.trim().is_empty() {
            let verdict = Verdict::unassessed(self.name(), case, Status::Empty, self.provenance());
            return Verdict { success: Some(false), ..verdict };
        }
        self.assess(case)
    }
}

/// A verdict as soon as it is there.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Place of the case.
    pub case: usize,
    /// Place of the judge.
    pub judge: usize,
    /// The verdict.
    pub verdict: &'a Verdict,
}

/// Lets every judge judge every case, `concurrency` at a time, and returns for each case the verdicts in the order of
/// the judges.
///
/// `finished` gets each verdict as it comes, on the calling thread, so that a caller can write it down at once. If it
/// breaks, no further case is begun: those under way are still handed out, the rest is unassessed and says so.
pub fn judge_all(
    judges: &[&dyn Judge],
    cases: &[Case],
    concurrency: usize,
    mut finished: impl FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Vec<Vec<Verdict>> {
    let jobs = judges.len() * cases.len();
    let mut verdicts: Vec<Option<Verdict>> = vec![None; jobs];
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..concurrency.clamp(1, jobs.max(1)) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        break;
                    }
                    let verdict = judges[job % judges.len()].judge(&cases[job / judges.len()]);
                    if sender.send((job, verdict)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (job, verdict) in &receiver {
            let done = Finished { case: job / judges.len(), judge: job % judges.len(), verdict: &verdict };
            let go_on = finished(done);
            verdicts[job] = Some(verdict);
            if go_on.is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    let mut verdicts = verdicts.into_iter();
    let of_case = |case| {
        let of_judge = |judge: &&dyn Judge| verdicts.next().flatten().unwrap_or_else(|| not_judged(*judge, case));
        judges.iter().map(of_judge).collect()
    };
    cases.iter().map(of_case).collect()
}

fn not_judged(judge: &dyn Judge, case: &Case) -> Verdict {
    Verdict::unassessed(judge.name(), case, Status::Interrupted, judge.provenance())
}
