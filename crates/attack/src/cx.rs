//! The only way out of an attack: journal, budget, seeds, candidates.

use crate::journal::Known;
use crate::{
    Budget, CallRecord, Case, Generate, Generation, Guide, Journal, Models, Propose, Proposed, Said, Score, Scored,
    Stop, Talk, Unanswered, Used, Written,
};
use mosa_core::{Rng, Stream, sample_key};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What an attack found worth judging.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What the target was asked.
    pub asked: Generate,
    /// What it answered.
    pub answer: Generation,
    /// What the attack's own guide thinks of it; higher is closer to success. Never the verdict.
    pub guide: Option<f64>,
    /// What the attack wants to remember of it: strategy, round, depth.
    pub tags: BTreeMap<String, String>,
}

impl Candidate {
    /// A candidate without guide score and tags.
    pub fn new(asked: Generate, answer: Generation) -> Self {
        Self { asked, answer, guide: None, tags: BTreeMap::new() }
    }

    /// The same with a guide score.
    #[must_use]
    pub fn guided(self, guide: impl Into<Option<f64>>) -> Self {
        Self { guide: guide.into(), ..self }
    }

    /// The same with a tag.
    #[must_use]
    pub fn tagged(mut self, key: &str, value: impl ToString) -> Self {
        self.tags.insert(key.to_owned(), value.to_string());
        self
    }
}

/// A step of an attack that is no call: a node of a tree, why it was pruned, a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about: a path like those of calls.
    pub at: String,
    /// What happened, for example `pruned`.
    pub what: String,
    /// Anything else.
    pub detail: Value,
}

/// The answers that a budget allowed.
#[derive(Clone, Debug)]
pub struct Within {
    /// In order, from the first request on.
    pub answers: Vec<Generation>,
    /// What stopped the rest; nothing if there is none.
    pub cut: Option<Stop>,
}

/// A call of a helper that is made again until its reply can be read.
#[derive(Clone, Copy, Debug)]
pub struct HelperCall<'a> {
    /// Its path; attempts are `call/1`, `call/2`, ...
    pub call: &'a str,
    /// Who is asked.
    pub role: &'a str,
    /// What is asked.
    pub talk: &'a Talk,
    /// How often it is asked at most.
    pub attempts: usize,
}

/// Everything an attack may use. One per case; shared by nobody.
pub struct Cx<'a> {
    pub(crate) attack: &'static str,
    pub(crate) case: &'a Case,
    pub(crate) models: Models<'a>,
    pub(crate) journal: &'a Journal,
    pub(crate) budget: Budget,
    pub(crate) used: RefCell<Used>,
    pub(crate) candidates: RefCell<Vec<Candidate>>,
    pub(crate) events: RefCell<Vec<Event>>,
}

impl<'a> Cx<'a> {
    /// What a case of `attack` may use.
    pub fn new(attack: &'static str, case: &'a Case, models: Models<'a>, journal: &'a Journal, budget: Budget) -> Self {
        Self {
            attack,
            case,
            models,
            journal,
            budget,
            used: RefCell::default(),
            candidates: RefCell::default(),
            events: RefCell::default(),
        }
    }

    /// One answer of the target.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn generate(&self, call: &str, asked: Generate) -> Result<Generation, Stop> {
        only(self.generate_all(vec![(call.to_owned(), asked)])?)
    }

    /// Several answers of the target, decoded together where it can; in order.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn generate_all(&self, asked: Vec<(String, Generate)>) -> Result<Vec<Generation>, Stop> {
        self.budget.allows(&self.used(), asked.len() as u64, 0).map_err(Stop::Budget)?;
        let answered = |missing: &[(String, Generate)]| {
            let missing: Vec<(u64, Generate)> = missing.iter().map(|(k, g)| (self.draw(k), g.clone())).collect();
            self.models.target.generate(&missing)
        };
        self.journaled("generate", &asked, answered, |used, answer: &Generation| used.query(answer.forwards))
    }

    /// As many of these answers as the budget allows.
    ///
    /// # Errors
    /// [`Stop`] for anything but the budget.
    pub fn generate_within(&self, mut asked: Vec<(String, Generate)>) -> Result<Within, Stop> {
        let used = self.used();
        let mut cut = None;
        while let Err(limit) = self.budget.allows(&used, asked.len() as u64, 0) {
            cut = Some(Stop::Budget(limit));
            if asked.pop().is_none() {
                break;
            }
        }
        let answers = if asked.is_empty() { Vec::new() } else { self.generate_all(asked)? };
        Ok(Within { answers, cut })
    }

    /// The log-probability of words.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn score(&self, call: &str, asked: Score) -> Result<Scored, Stop> {
        only(self.score_all(vec![(call.to_owned(), asked)])?)
    }

    /// Several log-probabilities, in order.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn score_all(&self, asked: Vec<(String, Score)>) -> Result<Vec<Scored>, Stop> {
        self.budget.allows(&self.used(), asked.len() as u64, 0).map_err(Stop::Budget)?;
        let scored = |missing: &[(String, Score)]| {
            self.models.target.score(&missing.iter().map(|(_, s)| s.clone()).collect::<Vec<_>>())
        };
        self.journaled("score", &asked, scored, |used, score: &Scored| used.query(score.forwards))
    }

    /// Suffixes the proxy proposes, best first. Costs no query of the target.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn propose(&self, call: &str, asked: Propose) -> Result<Vec<Proposed>, Stop> {
        let proposed = |missing: &[(String, Propose)]| {
            missing.iter().map(|(k, p)| self.models.target.propose(self.draw(k), p)).collect()
        };
        only(self.journaled("propose", &[(call.to_owned(), asked)], proposed, |used, _| used.proposals += 1)?)
    }

    /// Words that a proxy proposes and the target chooses among, in order; every token is a query of the target.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn write_all(&self, asked: Vec<(String, Guide)>) -> Result<Vec<Written>, Stop> {
        let queries = asked.iter().map(|(_, g)| g.tokens as u64).sum();
        self.budget.allows(&self.used(), queries, 0).map_err(Stop::Budget)?;
        let written = |missing: &[(String, Guide)]| {
            missing.iter().map(|(k, g)| self.models.target.write(self.draw(k), g)).collect()
        };
        let count = |used: &mut Used, written: &Written| {
            used.queries += written.tokens as u64;
            used.forwards += written.forwards as u64;
        };
        asked.into_iter().map(|one| only(self.journaled("write", &[one], written, count)?)).collect()
    }

    /// The tokens of a text, as texts. Costs nothing and is not journaled.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn tokens(&self, text: &str) -> Result<Vec<String>, Stop> {
        self.models.target.tokens(text).map_err(stopped)
    }

    /// A reply of a helper model.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn helper(&self, call: &str, role: &str, talk: Talk) -> Result<Said, Stop> {
        only(self.helper_all(role, vec![(call.to_owned(), talk)])?)
    }

    /// Several replies of a helper model, in order, each written down as it comes.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn helper_all(&self, role: &str, asked: Vec<(String, Talk)>) -> Result<Vec<Said>, Stop> {
        self.budget.allows(&self.used(), 0, asked.len() as u64).map_err(Stop::Budget)?;
        let said = |missing: &[(String, Talk)]| {
            missing.iter().map(|(k, talk)| self.models.helpers.reply(role, self.draw(k), talk)).collect()
        };
        let one = |asked| only(self.journaled(role, &[asked], said, |used, _| used.helper_calls += 1)?);
        asked.into_iter().map(|asked| one(asked).map(Said::told_apart)).collect()
    }

    /// A helper's reply that `read` can read, asking as often as `asked` allows. Nothing if no attempt can be read, or if
    /// the helper declines: that is not asked again. A reply that is not whole cannot be read.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn helper_read<T>(&self, asked: HelperCall<'_>, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Stop> {
        let HelperCall { call, role, talk, attempts } = asked;
        for attempt in 1..=attempts {
            let said = self.helper(&format!("{call}/{attempt}"), role, talk.clone())?;
            if said.declined() {
                return Ok(None);
            }
            if let Some(value) = said.text().and_then(&read) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The same for calls that are independent: the first attempt of all, then the second of those that need one.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn helper_read_all<T>(
        &self,
        role: &str,
        asked: &[(String, Talk)],
        attempts: usize,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>, Stop> {
        let mut values: Vec<Option<T>> = asked.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..asked.len()).collect();
        for attempt in 1..=attempts {
            if open.is_empty() {
                break;
            }
            let talks = open.iter().map(|&i| (format!("{}/{attempt}", asked[i].0), asked[i].1.clone())).collect();
            let mut again = Vec::new();
            for (&i, said) in open.iter().zip(self.helper_all(role, talks)?) {
                values[i] = said.text().and_then(&read);
                again.extend((values[i].is_none() && !said.declined()).then_some(i));
            }
            open = again;
        }
        Ok(values)
    }

    /// The random stream of a call or a decision.
    pub fn rng(&self, call: &str) -> Rng {
        let step = sample_key(&format!("{}\u{1f}{call}", self.attack));
        Rng::at(self.case.seed, Stream::Attack, step, sample_key(&self.case.id))
    }

    /// Hands in something worth judging; returns its number.
    pub fn candidate(&self, candidate: Candidate) -> usize {
        let mut all = self.candidates.borrow_mut();
        all.push(candidate);
        all.len() - 1
    }

    /// Writes down a step that is no call.
    pub fn note(&self, at: impl Into<String>, what: &str, detail: Value) {
        self.events.borrow_mut().push(Event { at: at.into(), what: what.to_owned(), detail });
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        *self.used.borrow()
    }

    /// Candidates so far.
    pub fn candidates(&self) -> Vec<Candidate> {
        self.candidates.borrow().clone()
    }

    /// Steps written down so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// The candidate with the highest guide score, earliest on ties; without scores the first.
    pub fn best(&self) -> Option<usize> {
        let all = self.candidates.borrow();
        let score = |i: usize| all[i].guide.unwrap_or(f64::NEG_INFINITY);
        (0..all.len()).reduce(|best, i| if score(i) > score(best) { i } else { best })
    }

    /// 64 bits that depend on the call alone.
    fn draw(&self, call: &str) -> u64 {
        self.rng(call).bits()
    }

    /// Answers calls from the journal where it can, the rest from outside, and writes those down. Every call that was
    /// answered is kept and counted, also where another one was not.
    fn journaled<Q: Serialize + Clone, R: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        asked: &[(String, Q)],
        ask: impl FnOnce(&[(String, Q)]) -> Vec<Result<R, Unanswered>>,
        count: impl Fn(&mut Used, &R),
    ) -> Result<Vec<R>, Stop> {
        let failed = |e: &dyn std::fmt::Display| Stop::Failed(e.to_string());
        let (mut replies, mut stop): (Vec<Option<R>>, _) = (Vec::with_capacity(asked.len()), None);
        let (mut missing, mut requests) = (Vec::new(), Vec::new());
        for (call, query) in asked {
            let request = serde_json::to_value(query).map_err(|e| failed(&e))?;
            match self.journal.find(&self.case.id, call, &request) {
                Known::Reply(reply) => replies.push(Some(reply)),
                Known::Drift(what) => return Err(Stop::Drift(what)),
                Known::Nothing => {
                    replies.push(None);
                    missing.push((call.clone(), query.clone()));
                    requests.push(request);
                }
            }
        }
        if !missing.is_empty() {
            let fresh = ask(&missing);
            if fresh.len() != missing.len() {
                return Err(Stop::Failed(format!("{} replies to {} {kind} calls", fresh.len(), missing.len())));
            }
            let mut fresh = missing.into_iter().zip(requests).zip(fresh);
            for reply in replies.iter_mut().filter(|r| r.is_none()) {
                let Some((((call, _), request), new)) = fresh.next() else { break };
                match new {
                    Ok(new) => {
                        let written = serde_json::to_value(&new).map_err(|e| failed(&e))?;
                        let case = self.case.id.clone();
                        let record = CallRecord { case, call, kind: kind.to_owned(), request, reply: written };
                        self.journal.push(record).map_err(|e| failed(&e))?;
                        *reply = Some(new);
                    }
                    Err(why) => stop = stop.or(Some(stopped(why))),
                }
            }
        }
        let replies: Vec<R> = replies.into_iter().flatten().collect();
        replies.iter().for_each(|reply| count(&mut self.used.borrow_mut(), reply));
        stop.map_or(Ok(replies), Err)
    }
}

fn only<T>(mut replies: Vec<T>) -> Result<T, Stop> {
    replies.pop().ok_or_else(|| Stop::Failed("a call brought no reply".into()))
}

fn stopped(error: Unanswered) -> Stop {
    match error {
        Unanswered::Failed(what) => Stop::Failed(what),
        Unanswered::Interrupted => Stop::Interrupted,
    }
}
