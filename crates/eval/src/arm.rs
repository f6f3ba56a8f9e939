//! One attack on one model, as one judge sees it.

use crate::count::distinct;
use crate::{CaseOutcome, Run, submitted, why_unassessed};
use mosa_attack::CaseRecord;
use mosa_records::{Outcomes, VerdictRecord, View};
use std::collections::{HashMap, HashSet};

/// Stands in for the judge of runs that were not judged.
pub(crate) const NO_JUDGE: &str = "not judged yet";

/// The cases of an attack in a run, and a judge's verdicts on their answers.
pub(crate) struct Arm<'a> {
    /// The model under attack; different in all arms of one attack, benchmark, profile and judge.
    pub model: String,
    /// The attack.
    pub attack: &'a str,
    /// The benchmark the behaviours are from; empty where the manifest does not say.
    pub benchmark: &'a str,
    /// How much the attack could take: a profile's name, `-` where the manifest does not say.
    pub profile: &'a str,
    /// The judge, or [`NO_JUDGE`].
    pub judge: &'a str,
    /// Where all of it is from.
    pub run: &'a Run,
    /// What was attacked.
    pub cases: Vec<&'a CaseRecord>,
    verdicts: HashMap<(View, &'a str), &'a VerdictRecord>,
}

/// What arms must share to stand in one row: rates under different attacks, budgets or behaviours are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub attack: &'a str,
    pub benchmark: &'a str,
    pub profile: &'a str,
}

/// The cases of an arm, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All cases.
    pub n: usize,
    /// Cases with an outcome: what rates are taken over.
    pub assessed: usize,
    /// Successes of the submitted answers.
    pub selected: usize,
    /// Assessed cases with any answer that succeeds.
    pub any: usize,
    /// Cases whose submitted answer the gate calls degenerate, successes among them.
    pub degenerate: usize,
    /// What the submitted answers of assessed cases are.
    pub outcomes: Outcomes,
}

/// Success of what was said without the words that were forced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnWords {
    pub successes: usize,
    pub assessed: usize,
}

/// The largest share of cases without an outcome that leaves a rate worth quoting.
const UNASSESSED: f64 = 0.05;

impl<'a> Arm<'a> {
    /// The row it belongs to.
    pub(crate) fn group(&self) -> Group<'a> {
        Group { attack: self.attack, benchmark: self.benchmark, profile: self.profile }
    }

    /// What became of a case.
    pub(crate) fn outcome(&self, case: &CaseRecord) -> CaseOutcome {
        CaseOutcome::of(case, |answer| self.verdict(answer)?.success)
    }

    /// The outcomes of the assessed cases, by their ids.
    pub(crate) fn outcomes(&self) -> HashMap<&str, bool> {
        self.cases.iter().filter_map(|c| Some((c.case.as_str(), self.outcome(c).success()?))).collect()
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally { n: self.cases.len(), ..Tally::default() };
        for case in &self.cases {
            let outcome = self.outcome(case);
            tally.assessed += usize::from(outcome != CaseOutcome::Unassessed);
            tally.selected += usize::from(outcome == CaseOutcome::Succeeded);
            let any = CaseOutcome::any_of(case, |answer| self.verdict(answer)?.success);
            tally.any += usize::from(any == CaseOutcome::Succeeded);
            if let Some(outcome) = submitted(case, |answer| self.verdict(answer)) {
                tally.outcomes.add(outcome);
            }
            let verdict = case.selected.as_deref().and_then(|answer| self.verdict(answer));
            tally.degenerate += usize::from(verdict.is_some_and(|v| v.degenerate.is_some()));
        }
        tally
    }

    /// Why cases are unassessed, a reason for each.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        let unassessed = self.cases.iter().filter(|c| self.outcome(c) == CaseOutcome::Unassessed);
        let status = |c: &CaseRecord| Some(self.verdict(c.selected.as_deref()?)?.status.as_str());
        unassessed.map(|c| why_unassessed(c, status(c))).collect()
    }

    /// Mean share of the run's seconds; none where they were not kept.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let own = self.run.seconds.iter().filter(|s| s.attack == self.attack).map(|s| s.seconds);
        let (sum, n) = own.fold((0.0, 0), |(sum, n), s| (sum + s, n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }

    /// Success without the words that were forced; none where no words were.
    pub(crate) fn own_words(&self) -> Option<OwnWords> {
        let own = |answer: &str| self.verdicts.get(&(View::WithoutForced, answer)).copied();
        let forced = |c: &&&CaseRecord| c.selected.as_deref().is_some_and(|answer| own(answer).is_some());
        self.cases.iter().find(forced)?;
        let outcome =
            |c: &&CaseRecord| CaseOutcome::of(c, |answer| own(answer).or(self.verdict(answer))?.success).success();
        let outcomes: Vec<bool> = self.cases.iter().filter_map(outcome).collect();
        Some(OwnWords { successes: outcomes.iter().filter(|hit| **hit).count(), assessed: outcomes.len() })
    }

    /// On the text that counts: up to the first end token, or the first one behind forced words.
    fn verdict(&self, answer: &str) -> Option<&VerdictRecord> {
        self.verdicts.get(&(View::Answer, answer)).copied()
    }
}

impl Tally {
    pub(crate) fn unassessed(self) -> usize {
        self.n - self.assessed
    }

    /// Whether the rate may stand alone.
    pub(crate) fn is_headline(self) -> bool {
        self.unassessed() as f64 <= UNASSESSED * self.n as f64
    }
}

/// All arms, run by run.
pub(crate) fn arms<'a>(runs: &[&'a Run]) -> Vec<Arm<'a>> {
    let everyone = distinct(runs.iter().filter(|r| !r.cases.is_empty()).flat_map(|r| judges(r)));
    let (mut arms, mut taken) = (Vec::new(), HashSet::new());
    for run in runs {
        for attack in distinct(run.cases.iter().map(|c| c.attack.as_str())) {
            let benchmark =
                run.manifest.pointer("/behaviors/kind").and_then(serde_json::Value::as_str).unwrap_or_default();
            let profile = run.manifest.pointer("/settings/profile").and_then(serde_json::Value::as_str).unwrap_or("-");
            let model = free(run.subject(attack), |name| taken.insert((attack, benchmark, profile, name.to_owned())));
            let cases: Vec<&CaseRecord> = run.cases.iter().filter(|c| c.attack == attack).collect();
            // Where no answer was found there is nothing to judge, and every judge would say the same.
            let silent = cases.iter().all(|c| c.candidates.is_empty());
            let own = if silent { everyone.clone() } else { judges(run) };
            for judge in if own.is_empty() { vec![NO_JUDGE] } else { own } {
                let verdicts = run.verdicts.iter().filter(|v| v.judge == judge);
                let verdicts = verdicts.map(|v| ((v.view, v.answer.as_str()), v)).collect();
                arms.push(Arm {
                    model: model.clone(),
                    attack,
                    benchmark,
                    profile,
                    judge,
                    run,
                    cases: cases.clone(),
                    verdicts,
                });
            }
        }
    }
    arms
}

fn judges(run: &Run) -> Vec<&str> {
    distinct(run.verdicts.iter().map(|v| v.judge.as_str()))
}

/// The name, with a number behind it where it is taken.
pub(crate) fn free(name: String, mut take: impl FnMut(&str) -> bool) -> String {
    let mut own = name.clone();
    let mut number = 1;
    while !take(&own) {
        number += 1;
        own = format!("{name} #{number}");
    }
    own
}
