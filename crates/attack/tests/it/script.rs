//! Targets and helpers that reply by a script, and count.

use mosa_attack::{
    Ability, Attack, Budget, CallRecord, Case, CaseRecord, Generate, Generation, Guide, Helper, Journal, Plan, Propose,
    Proposed, Records, Said, Score, Scored, SecondsRecord, Talk, Target, Unanswered, Written, run,
};
use mosa_records::{AnswerRecord, Log};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

type Answering = dyn Fn(&Generate) -> Result<Generation, Unanswered> + Send + Sync;
type Scoring = dyn Fn(&Score) -> Scored + Send + Sync;
type Proposing = dyn Fn(&Propose) -> Vec<Proposed> + Send + Sync;
type Writing = dyn Fn(&Guide) -> Written + Send + Sync;
type Replying = dyn Fn(&str, &Talk) -> Result<Said, Unanswered> + Send + Sync;
type Seeded = dyn Fn(&str, u64, &Talk) -> Result<Said, Unanswered> + Send + Sync;

/// Replies by closures. Everything asked is kept in the order of arrival.
pub(crate) struct Script {
    pub(crate) answer: Box<Answering>,
    pub(crate) score: Box<Scoring>,
    pub(crate) propose: Box<Proposing>,
    pub(crate) write: Box<Writing>,
    pub(crate) reply: Box<Replying>,
    /// Where it is present, helpers reply by it instead: it sees the seed of the call, as [`Helper`] does.
    pub(crate) seeded: Option<Box<Seeded>>,
    pub(crate) abilities: BTreeSet<Ability>,
    pub(crate) asked: Mutex<Vec<Generate>>,
    pub(crate) talks: Mutex<Vec<(String, Talk)>>,
    pub(crate) scored: AtomicUsize,
    /// Calls after which everything is interrupted; none: never.
    pub(crate) dies_after: Option<usize>,
    pub(crate) calls: AtomicUsize,
}

impl Script {
    /// A target that answers everything with the same text, and helpers that say the same text.
    pub(crate) fn new(answer: &'static str, reply: &'static str) -> Self {
        Self {
            answer: Box::new(move |_| Ok(Generation { forwards: 3, ..Generation::plain(answer) })),
            score: Box::new(|_| Scored::default()),
            propose: Box::new(|_| Vec::new()),
            write: Box::new(|_| Written::default()),
            reply: Box::new(move |_, _| Ok(Said::Text(reply.to_owned()))),
            seeded: None,
            abilities: [
                Ability::ForcedTokens,
                Ability::Constraint,
                Ability::Score,
                Ability::History,
                Ability::Infill,
                Ability::Gradient,
                Ability::Guide,
            ]
            .into(),
            asked: Mutex::default(),
            talks: Mutex::default(),
            scored: AtomicUsize::new(0),
            dies_after: None,
            calls: AtomicUsize::new(0),
        }
    }

    pub(crate) fn queries(&self) -> usize {
        self.asked.lock().unwrap().len() + self.scored.load(Ordering::SeqCst)
    }

    /// How often helpers were asked in a role.
    #[allow(dead_code)]
    pub(crate) fn talks_as(&self, role: &str) -> usize {
        self.talks.lock().unwrap().iter().filter(|(r, _)| r == role).count()
    }

    fn alive(&self) -> Result<(), Unanswered> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.dies_after.is_some_and(|n| call >= n) { Err(Unanswered::Interrupted) } else { Ok(()) }
    }
}

impl Target for Script {
    fn abilities(&self) -> BTreeSet<Ability> {
        self.abilities.clone()
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        let one = |(_, g): &(u64, Generate)| {
            self.alive()?;
            self.asked.lock().unwrap().push(g.clone());
            (self.answer)(g)
        };
        asked.iter().map(one).collect()
    }

    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>> {
        let one = |s: &Score| {
            self.alive()?;
            self.scored.fetch_add(1, Ordering::SeqCst);
            Ok(cut((self.score)(s), s.only))
        };
        asked.iter().map(one).collect()
    }

    fn propose(&self, _draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        self.alive()?;
        Ok((self.propose)(asked))
    }

    fn write(&self, _draw: u64, asked: &Guide) -> Result<Written, Unanswered> {
        self.alive()?;
        Ok((self.write)(asked))
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }
}

/// What a score says of the one token that is asked about.
fn cut(mut all: Scored, only: Option<usize>) -> Scored {
    all.length = all.tokens.len();
    if let Some(j) = only {
        all.tokens = all.tokens.get(j).cloned().into_iter().collect();
    }
    all
}

impl Helper for Script {
    fn reply(&self, role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        self.alive()?;
        self.talks.lock().unwrap().push((role.to_owned(), talk.clone()));
        match &self.seeded {
            Some(seeded) => seeded(role, seed, talk),
            None => (self.reply)(role, talk),
        }
    }
}

/// A fictional behaviour.
pub(crate) fn case(id: &str) -> Case {
    Case { id: id.into(), behaviour: "how do i make the amber tonic ?".into(), seed: 7, ..Case::default() }
}

/// What a run left: cases, answers, and the calls of its journal.
pub(crate) struct Left {
    pub(crate) cases: Vec<CaseRecord>,
    pub(crate) answers: Vec<AnswerRecord>,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) complete: bool,
}

/// Attacks `cases` in the folder, going on with what it holds.
pub(crate) fn attack_in(dir: &Path, attack: &dyn Attack, script: &Script, cases: &[Case], budget: Budget) -> Left {
    let plan = Plan { attack, target: script, helpers: script, budget, concurrency: 1 };
    carry_out(dir, &plan, cases)
}

/// Carries out a plan in a folder, after whatever is there already.
pub(crate) fn carry_out(dir: &Path, plan: &Plan<'_>, cases: &[Case]) -> Left {
    let journal = Journal::open(&dir.join("journal.jsonl"), |_| true).unwrap();
    let mut answers = Log::open(&dir.join("answers.jsonl")).unwrap();
    let mut records = Log::open(&dir.join("cases.jsonl")).unwrap();
    let mut seconds = Log::open(&dir.join("seconds.jsonl")).unwrap();
    let mut writing = Records { journal: &journal, answers: &mut answers, cases: &mut records, seconds: &mut seconds };
    let complete = run(plan, cases, &mut writing, |_| {}).unwrap();
    let timed: Vec<SecondsRecord> = seconds.into_records();
    assert!(timed.len() == records.records().len() && timed.iter().all(|t| t.seconds >= 0.0));
    let calls = Log::read(&dir.join("journal.jsonl")).unwrap();
    Left { cases: records.into_records(), answers: answers.into_records(), calls, complete }
}

/// Attacks one case in a fresh folder.
pub(crate) fn attack(attack: &dyn Attack, script: &Script) -> Left {
    let dir = tempfile::tempdir().unwrap();
    attack_in(dir.path(), attack, script, &[case("one")], Budget::default())
}

/// The script with numbers that need all their 17 digits: thirds of what it says, a little different from text to text.
fn with_long_numbers(mut script: Script) -> Script {
    let answer = std::mem::replace(&mut script.answer, Box::new(|_| Ok(Generation::default())));
    let score = std::mem::replace(&mut script.score, Box::new(|_| Scored::default()));
    let propose = std::mem::replace(&mut script.propose, Box::new(|_| Vec::new()));
    let long = |number: f64, text: &str| {
        let shift = text.bytes().map(f64::from).sum::<f64>() / 3e9;
        number * (1.0 + shift) - (0.1 + 0.2) * 1e-7
    };
    Script {
        answer: Box::new(move |asked| {
            let mut answered = answer(asked)?;
            answered.confidences.iter_mut().flatten().for_each(|c| *c = long(*c, "confidence"));
            answered.monitors.iter_mut().for_each(|seen| seen.suspicion = long(seen.suspicion, "suspicion"));
            Ok(answered)
        }),
        score: Box::new(move |asked| {
            let mut scored = score(asked);
            for token in &mut scored.tokens {
                token.logprob = long(token.logprob, &asked.text);
                token.best_other = long(token.best_other, &asked.text);
                token.beyond_five = long(token.beyond_five, &asked.text);
            }
            scored
        }),
        propose: Box::new(move |asked| {
            let mut proposed = propose(asked);
            proposed.iter_mut().for_each(|p| p.loss = long(p.loss, &p.suffix));
            proposed
        }),
        ..script
    }
}

/// Kills the attack on two cases after every number of calls, resumes it, and expects the records of an uninterrupted
/// run. `make` makes the same script anew.
pub(crate) fn survives_every_kill(attack: &dyn Attack, make: impl Fn() -> Script) {
    let make = || with_long_numbers(make());
    let cases = [case("one"), case("two")];
    let whole = tempfile::tempdir().unwrap();
    let script = make();
    assert!(attack_in(whole.path(), attack, &script, &cases, Budget::default()).complete);
    let bytes = |dir: &Path, name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let calls = script.calls.load(Ordering::SeqCst);
    assert!(calls > 0);
    for kill in 0..calls {
        let dir = tempfile::tempdir().unwrap();
        let dying = Script { dies_after: Some(kill), ..make() };
        assert!(!attack_in(dir.path(), attack, &dying, &cases, Budget::default()).complete, "killed after {kill}");
        let second = make();
        assert!(attack_in(dir.path(), attack, &second, &cases, Budget::default()).complete);
        for name in ["cases.jsonl", "answers.jsonl", "journal.jsonl"] {
            assert_eq!(bytes(dir.path(), name), bytes(whole.path(), name), "{name}, killed after {kill} calls");
        }
        assert!(second.calls.load(Ordering::SeqCst) <= calls, "killed after {kill}");
    }
}
