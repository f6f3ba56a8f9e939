//! Judging the answers of a run: which texts they have, what has no verdict that counts, and asking for it.

use crate::outcome::parts_once;
use crate::{DegeneracyGate, Evidence, Judge, Status, Verdict, judge_all, outcome_of};
use mosa_records::{AnswerRecord, Log, Outcomes, Record, RecordsError, VerdictRecord, View};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// Verdicts that are asked for anew are put into the file this many at a time.
const AT_A_TIME: usize = 64;

/// A text to judge: the answer it belongs to, which of its texts it is, and what its verdicts are found by.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    /// The answer.
    pub answer: &'a AnswerRecord,
    /// Which of its texts.
    pub view: View,
    /// Key of the answer.
    pub key: String,
    /// Hash of what is judged, by which a verdict says what it is about.
    pub hash: String,
}

/// Every text of the answers, in their order: the answer, and where words were forced, what is left without them.
pub fn texts(answers: &[AnswerRecord]) -> Vec<Text<'_>> {
    let views = |answer: &AnswerRecord| match answer.forced.is_empty() {
        true => vec![View::Answer],
        false => vec![View::Answer, View::WithoutForced],
    };
    answers.iter().flat_map(|answer| views(answer).into_iter().map(|view| Text::new(answer, view))).collect()
}

impl<'a> Text<'a> {
    fn new(answer: &'a AnswerRecord, view: View) -> Self {
        Self { answer, view, key: answer.key(), hash: answer.text_hash(view) }
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            id: self.key.clone(),
            behaviour: self.answer.behaviour.clone(),
            context: self.answer.tags.get("context").cloned(),
            answer: self.answer.judged(self.view).to_owned(),
            unsaid: self.answer.unsaid(),
        }
    }
}

/// A judge at work on a run: what its verdicts are known by, and what marks a degenerate answer beside them.
pub struct Judging<'a> {
    judge: &'a dyn Judge,
    by: BTreeMap<String, Value>,
    gate: &'a DegeneracyGate,
}

/// What a judge still has to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Places of the texts.
    pub places: Vec<usize>,
    /// By place, the key of a record that stands for the text and does not count: a verdict that failed, or one on an
    /// answer that was another one then. The new verdict takes its place.
    pub failed: HashMap<usize, String>,
}

/// How a judge is asked.
pub struct Pace<'a> {
    /// Answers judged at the same time.
    pub concurrency: usize,
    /// Called for each verdict as it comes.
    pub judged: &'a mut dyn FnMut(),
    /// Whether to begin nothing more.
    pub stopped: &'a dyn Fn() -> bool,
}

impl<'a> Judging<'a> {
    /// A judge, and the gate that looks at every answer it judges.
    pub fn new(judge: &'a dyn Judge, gate: &'a DegeneracyGate) -> Self {
        Self { judge, by: judge.provenance().decides(), gate }
    }

    /// Name of the judge.
    pub fn name(&self) -> &str {
        self.judge.name()
    }

    /// The texts that have no verdict of this judge that counts.
    pub fn open(&self, texts: &[Text<'_>], verdicts: &[VerdictRecord]) -> Open {
        let own = self.own(verdicts);
        let mut open = Open::default();
        for (place, text) in texts.iter().enumerate() {
            let verdict = own.get(&(text.key.as_str(), text.view));
            if verdict.is_some_and(|verdict| counts(verdict, text)) {
                continue;
            }
            open.places.push(place);
            open.failed.extend(verdict.map(|verdict| (place, verdict.key())));
        }
        open
    }

    /// Asks for what is open; false if it was stopped before the end. Verdicts are written in the order of the answers,
    /// however they come in, so that a resumed run has the same bytes; one that is asked for again takes the place of the
    /// one that does not count.
    ///
    /// # Errors
    /// [`RecordsError`] if a verdict cannot be written.
    pub fn ask(
        &self,
        texts: &[Text<'_>],
        open: &Open,
        log: &mut Log<VerdictRecord>,
        pace: &mut Pace<'_>,
    ) -> Result<bool, RecordsError> {
        let mut anew: HashMap<String, VerdictRecord> = HashMap::new();
        for batch in open.places.chunks(4 * pace.concurrency.max(1)) {
            let is_last = batch.last() == open.places.last();
            let mut stopped = false;
            for (verdict, &place) in self.verdicts(texts, batch, pace).iter().zip(batch) {
                if verdict.status == Status::Interrupted {
                    // It keeps its place: those behind it are judged again.
                    stopped = true;
                    break;
                }
                let record = self.record(&texts[place], verdict);
                match open.failed.get(&place) {
                    Some(key) => drop(anew.insert(key.clone(), record)),
                    None => log.push(record)?,
                }
            }
            stopped |= !is_last && (pace.stopped)();
            if anew.len() >= AT_A_TIME || stopped || is_last {
                log.replace(|record| anew.remove(&record.key()))?;
            }
            if stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many texts have no verdict although the judge was asked for one, and why; none if all have one.
    pub fn missing(&self, texts: &[Text<'_>], verdicts: &[VerdictRecord]) -> Option<Missing> {
        let own = self.own(verdicts);
        let answered = texts.iter().filter(|text| text.answer.unsaid().is_none());
        let failed = answered.filter_map(|text| {
            own.get(&(text.key.as_str(), text.view)).filter(|v| v.success.is_none() && v.is_about(&text.hash))
        });
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        failed.for_each(|verdict| *reasons.entry(verdict.status.as_str()).or_default() += 1);
        let (reason, _) = reasons.iter().max_by_key(|(_, n)| **n)?;
        Some(Missing {
            judge: self.judge.name().to_owned(),
            n: reasons.values().sum(),
            of: texts.len(),
            reason: (*reason).to_owned(),
        })
    }

    /// The judge's own verdicts, by answer and view; of several the last.
    fn own<'v>(&self, verdicts: &'v [VerdictRecord]) -> HashMap<(&'v str, View), &'v VerdictRecord> {
        let own = verdicts.iter().filter(|v| v.is_of(self.judge.name(), &self.by));
        own.map(|v| ((v.answer.as_str(), v.view), v)).collect()
    }

    fn verdicts(&self, texts: &[Text<'_>], batch: &[usize], pace: &mut Pace<'_>) -> Vec<Verdict> {
        let evidence: Vec<Evidence> = batch.iter().map(|&place| texts[place].evidence()).collect();
        let verdicts = judge_all(&[self.judge], &evidence, pace.concurrency, |_| {
            (pace.judged)();
            if (pace.stopped)() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        verdicts.into_iter().flatten().collect()
    }

    fn record(&self, text: &Text<'_>, verdict: &Verdict) -> VerdictRecord {
        let found = self.gate.look(&parts_once(text.answer, text.view));
        let status = serde_json::to_value(&verdict.status).unwrap_or_default();
        let mut record = VerdictRecord {
            answer: text.key.clone(),
            view: text.view,
            judge: verdict.judge.clone(),
            by: self.by.clone(),
            text: text.hash.clone(),
            success: verdict.success,
            value: verdict.value,
            status: status.as_str().map_or_else(|| verdict.reason().unwrap_or_default(), str::to_owned),
            degenerate: found.fired.first().map(|t| format!("{t:?}")),
            outcome: None,
            detail: json!({
                "parts": verdict.parts,
                "raw": verdict.raw,
                "model": verdict.provenance.model,
                "served_model": verdict.provenance.served_model,
                "template": verdict.provenance.template_sha256,
            }),
        };
        record.outcome = outcome_of(&record, text.answer, self.gate);
        record
    }
}

/// Whether a verdict of the judge settles a text: it is assessed, about what the text is now, and the target said something.
fn counts(verdict: &VerdictRecord, text: &Text<'_>) -> bool {
    verdict.success.is_some() && verdict.is_about(&text.hash) && text.answer.unsaid().is_none()
}

/// Texts that a judge gave no verdict on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Name of the judge.
    pub judge: String,
    /// How many.
    pub n: usize,
    /// Of how many texts.
    pub of: usize,
    /// The most frequent reason.
    pub reason: String,
}

/// What a judge made of one view of the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Name of the judge.
    pub judge: String,
    /// Which of the texts.
    pub view: View,
    /// Assessed texts.
    pub assessed: usize,
    /// Successes among them.
    pub successes: usize,
    /// What the assessed texts are.
    pub outcomes: Outcomes,
    /// Why the others are unassessed, one reason each.
    pub unassessed: Vec<String>,
}

/// Verdicts by judge and view, in the order of their first verdict.
pub fn tallies(verdicts: &[VerdictRecord]) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = Vec::new();
    for verdict in verdicts {
        let is_own = |t: &Tally| t.judge == verdict.judge && t.view == verdict.view;
        let at = tallies.iter().position(is_own).unwrap_or_else(|| {
            tallies.push(Tally::of(verdict));
            tallies.len() - 1
        });
        tallies[at].count(verdict);
    }
    tallies
}

impl Tally {
    fn of(verdict: &VerdictRecord) -> Self {
        let judge = verdict.judge.clone();
        let outcomes = Outcomes::default();
        Self { judge, view: verdict.view, assessed: 0, successes: 0, outcomes, unassessed: Vec::new() }
    }

    fn count(&mut self, verdict: &VerdictRecord) {
        match verdict.success {
            Some(success) => {
                self.assessed += 1;
                self.successes += usize::from(success);
                self.outcomes.add(verdict.outcome());
            }
            None => self.unassessed.push(verdict.status.clone()),
        }
    }
}
