//! The trait of all judges, and judging many answers at once.

use crate::{Evidence, Provenance, Status, Verdict};
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
    fn assess(&self, evidence: &Evidence) -> Verdict;

    /// Judges an answer. An empty one is no success, without asking anybody; one that was never given is unassessed.
    fn judge(&self, evidence: &Evidence) -> Verdict {
        if let Some(why) = &evidence.unsaid {
            return Verdict::unassessed(self.name(), evidence, Status::Unsaid(why.clone()), self.provenance());
        }
        if evidence.answer.trim().is_empty() {
            let verdict = Verdict::unassessed(self.name(), evidence, Status::Empty, self.provenance());
            return Verdict { success: Some(false), ..verdict };
        }
        self.assess(evidence)
    }
}

/// A verdict as soon as it is there.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Place of the evidence.
    pub evidence: usize,
    /// Place of the judge.
    pub judge: usize,
    /// The verdict.
    pub verdict: &'a Verdict,
}

/// Lets every judge judge all evidence, `concurrency` at a time, and returns for each piece the verdicts in the order of
/// the judges.
///
/// `finished` gets each verdict as it comes, on the calling thread, so that a caller can write it down at once. If it
/// breaks, no further judging is begun: those under way are still handed out, the rest is unassessed and says so.
pub fn judge_all(
    judges: &[&dyn Judge],
    evidence: &[Evidence],
    concurrency: usize,
    mut finished: impl FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Vec<Vec<Verdict>> {
    let jobs = judges.len() * evidence.len();
    let mut verdicts: Vec<Option<Verdict>> = vec![None; jobs];
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let (next, stop) = (&next, &stop);
        let work = move |sender: mpsc::Sender<_>| {
            while !stop.load(Ordering::Relaxed) {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    break;
                }
                let verdict = judges[job % judges.len()].judge(&evidence[job / judges.len()]);
                if sender.send((job, verdict)).is_err() {
                    break;
                }
            }
        };
        for i in 0..concurrency.clamp(1, jobs.max(1)) {
            let own = sender.clone();
            // Where no more threads can be had, those that run do all the work, or this one does.
            if std::thread::Builder::new().spawn_scoped(scope, move || work(own)).is_err() {
                if i == 0 {
                    work(sender.clone());
                }
                break;
            }
        }
        drop(sender);
        for (job, verdict) in &receiver {
            let done = Finished { evidence: job / judges.len(), judge: job % judges.len(), verdict: &verdict };
            let go_on = finished(done);
            verdicts[job] = Some(verdict);
            if go_on.is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    let mut verdicts = verdicts.into_iter();
    let of_one = |evidence| {
        let of_judge = |judge: &&dyn Judge| verdicts.next().flatten().unwrap_or_else(|| not_judged(*judge, evidence));
        judges.iter().map(of_judge).collect()
    };
    evidence.iter().map(of_one).collect()
}

fn not_judged(judge: &dyn Judge, evidence: &Evidence) -> Verdict {
    Verdict::unassessed(judge.name(), evidence, Status::Interrupted, judge.provenance())
}
