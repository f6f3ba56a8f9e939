//! Many cases at once, and their records in order.

use crate::clock::Clock;
use crate::{
    Attack, Budget, Candidate, Case, CaseRecord, Cx, Finished, Forced, Generate, Generation, Helper, Journal, Models,
    Needs, Reason, SecondsRecord, Stop, Target,
};
use mosa_records::{AnswerRecord, ForcedWords, Log, RecordsError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// What a run of an attack works with.
pub struct Plan<'a> {
    /// The attack.
    pub attack: &'a dyn Attack,
    /// The model under attack.
    pub target: &'a dyn Target,
    /// The models that help.
    pub helpers: &'a dyn Helper,
    /// Limits of each case.
    pub budget: Budget,
    /// Cases under way at the same time.
    pub concurrency: usize,
}

/// Where a run writes: calls as they come, answers and cases in the order of the cases.
pub struct Records<'a> {
    /// Every call.
    pub journal: &'a Journal,
    /// Every candidate.
    pub answers: &'a mut Log<AnswerRecord>,
    /// Every case.
    pub cases: &'a mut Log<CaseRecord>,
    /// What every case took of the time.
    pub seconds: &'a mut Log<SecondsRecord>,
}

/// What a target lacks, or the helpers; `fills` says whether someone fills a role.
///
/// # Errors
/// A sentence that names it.
pub fn check(needs: &Needs, target: &dyn Target, fills: impl Fn(&str) -> bool, name: &str) -> Result<(), String> {
    let has = target.abilities();
    let lacking: Vec<&str> = needs.abilities.iter().filter(|a| !has.contains(a)).map(|a| a.name()).collect();
    if !lacking.is_empty() {
        return Err(format!("{name} needs {} of its target; name a checkpoint with --model", lacking.join(" and ")));
    }
    let lacking: Vec<&str> = needs.roles.iter().copied().filter(|r| !fills(r)).collect();
    if !lacking.is_empty() {
        return Err(format!(
            "{name} needs a helper model for {}; name one with --helper-endpoint and --helper-model, or use --helper world on the embedded world",
            lacking.join(", ")
        ));
    }
    Ok(())
}

/// Attacks the cases that have no record yet. Returns whether all are done; an interrupted case leaves its journal.
///
/// # Errors
/// [`RecordsError`] if a record cannot be written.
pub fn run(
    plan: &Plan<'_>,
    cases: &[Case],
    records: &mut Records<'_>,
    mut done: impl FnMut(&CaseRecord),
) -> Result<bool, RecordsError> {
    let name = plan.attack.name();
    let open: Vec<&Case> = cases.iter().filter(|c| !records.cases.has(&format!("{name}/{}", c.id))).collect();
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (journal, clock) = (records.journal, Clock::new());
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let (next, stopped, open, clock) = (&next, &stopped, &open, &clock);
        let work = move |send: mpsc::Sender<_>| {
            while !stopped.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = open.get(i) else { break };
                let begun = clock.begin();
                let outcome = attacked(plan, case, journal);
                // Nobody begins another case, not even one that its journal could answer.
                stopped.fetch_or(outcome.is_none(), Ordering::Relaxed);
                journal.close(&case.id);
                let seconds = clock.end(begun);
                if send.send(Ended { place: i, attacked: outcome, seconds }).is_err() {
                    break;
                }
            }
        };
        for i in 0..plan.concurrency.clamp(1, open.len().max(1)) {
            let sender = send.clone();
            // Where no more threads can be had, those that run do all the work, or this one does.
            if std::thread::Builder::new().spawn_scoped(scope, move || work(sender)).is_err() {
                if i == 0 {
                    work(send.clone());
                }
                break;
            }
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut at = 0;
        for ended in receive {
            // The first case that was interrupted holds the place of all behind it; these are made again from the journal.
            let Ended { place, attacked, seconds } = ended;
            waiting.extend(attacked.map(|attacked| (place, (attacked, seconds))));
            while let Some((Attacked { record, answers }, seconds)) = waiting.remove(&at) {
                at += 1;
                for answer in answers {
                    records.answers.push(answer)?;
                }
                let (attack, case) = (record.attack.clone(), record.case.clone());
                records.seconds.push(SecondsRecord { attack, case, seconds })?;
                done(&record);
                records.cases.push(record)?;
            }
        }
        Ok(open.iter().all(|c| records.cases.has(&format!("{name}/{}", c.id))))
    })
}

/// A case that is no longer under way.
struct Ended {
    /// Its place among the open cases.
    place: usize,
    /// Nothing if it was interrupted.
    attacked: Option<Attacked>,
    seconds: f64,
}

/// What came of a case.
struct Attacked {
    record: CaseRecord,
    answers: Vec<AnswerRecord>,
}

/// One case; nothing if it was interrupted.
fn attacked(plan: &Plan<'_>, case: &Case, journal: &Journal) -> Option<Attacked> {
    let models = Models { target: plan.target, helpers: plan.helpers };
    let cx = Cx::new(plan.attack.name(), case, models, journal, plan.budget);
    let (finished, error) = match plan.attack.run(case, &cx) {
        Ok(finished) => (finished, None),
        Err(Stop::Interrupted) => return None,
        Err(stop) => {
            let reason = match stop {
                Stop::Budget(_) => Reason::Budget,
                Stop::Drift(_) => Reason::Drift,
                Stop::Failed(_) | Stop::Interrupted => Reason::Failed,
            };
            (Finished { selected: None, reason }, Some(stop.to_string()))
        }
    };
    let selected = finished.selected.or_else(|| cx.best());
    let candidates = cx.candidates();
    let answers: Vec<AnswerRecord> = candidates
        .iter()
        .enumerate()
        .map(|(number, candidate)| Found { number, candidate, selected: selected == Some(number) })
        .map(|found| answer(plan.attack.name(), case, &found))
        .collect();
    let keys: Vec<String> = answers.iter().map(mosa_records::Record::key).collect();
    let record = CaseRecord {
        attack: plan.attack.name().to_owned(),
        case: case.id.clone(),
        category: case.category.clone(),
        reason: finished.reason,
        error: error.or_else(|| answers.get(selected?)?.unsaid()),
        selected: selected.and_then(|i| keys.get(i).cloned()),
        candidates: keys,
        used: cx.used(),
        events: cx.events(),
    };
    Some(Attacked { record, answers })
}

/// A candidate among those of its case.
struct Found<'a> {
    number: usize,
    candidate: &'a Candidate,
    selected: bool,
}

/// A candidate as judges and the report read it. Only the selected one keeps its tokens.
fn answer(attack: &str, case: &Case, found: &Found<'_>) -> AnswerRecord {
    let &Found { number, candidate: Candidate { asked, answer, guide, tags }, selected } = found;
    let mut tags = tags.clone();
    tags.insert("case".into(), case.id.clone());
    tags.insert("selected".into(), selected.to_string());
    tags.extend(guide.map(|g| ("guide".to_owned(), format!("{g}"))));
    tags.extend(case.context.iter().map(|c| ("context".to_owned(), c.clone())));
    tags.extend(case.category.iter().map(|c| ("category".to_owned(), c.clone())));
    tags.extend(answer.monitors.iter().map(|seen| (format!("monitor {}", seen.monitor), seen.value.to_string())));
    let kept = |keep: bool| keep && !answer.pieces.is_empty();
    AnswerRecord {
        group: attack.to_owned(),
        id: format!("{}#{number}", case.id),
        behaviour: case.behaviour.clone(),
        prompt: asked.prompt().to_owned(),
        tags,
        forced: forced(asked, answer),
        texts: answer.texts.clone(),
        pieces: if kept(selected) { answer.pieces.clone() } else { Vec::new() },
        steps: if kept(selected) { answer.steps.clone() } else { Vec::new() },
        confidences: if kept(selected) { answer.confidences.clone() } else { Vec::new() },
        finish: answer.finish.clone(),
        forwards: answer.forwards,
        defences: answer.defences.clone(),
    }
}

/// The words that were forced, by offset. Of the positions that no step revealed each has those up to the next words, as
/// far as the target shows its tokens.
fn forced(asked: &Generate, answer: &Generation) -> Vec<ForcedWords> {
    if asked.forced.iter().any(|f| f.revealed.is_some()) {
        // What a defence says instead of the model is no word of the attack's.
        let steps = if answer.texts.after_forced.is_some() { answer.steps.as_slice() } else { &[] };
        let offsets: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].is_none()).collect();
        return runs(&offsets).into_iter().map(|run| shown(run, answer)).collect();
    }
    let mut all: Vec<&Forced> = asked.forced.iter().collect();
    all.sort_by_key(|f| f.offset);
    let ends = all.iter().skip(1).map(|f| f.offset).chain(std::iter::once(usize::MAX)).collect::<Vec<_>>();
    let words = |(f, end): (&&Forced, usize)| {
        let own = answer.steps.iter().take(end).skip(f.offset);
        ForcedWords { offset: f.offset, tokens: own.take_while(|step| step.is_none()).count(), text: f.text.clone() }
    };
    all.iter().zip(ends).map(words).collect()
}

/// Offsets side by side, as ranges.
fn runs(offsets: &[usize]) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for &at in offsets {
        match all.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => all.push(at..at + 1),
        }
    }
    all
}

/// What stands at offsets that were written one by one, as the answer shows it.
fn shown(run: Range<usize>, answer: &Generation) -> ForcedWords {
    let pieces = answer.pieces.get(run.start..run.end.min(answer.pieces.len())).unwrap_or_default();
    let tokens = answer.steps.iter().take(run.end).skip(run.start).take_while(|step| step.is_none()).count();
    ForcedWords { offset: run.start, tokens, text: pieces.concat().trim().to_owned() }
}
