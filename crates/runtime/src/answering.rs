//! Requests in words, answered.

use crate::ask::{Ask, When};
use crate::constrained::choose;
use crate::defence::{Declined, Review, Reviewed};
use crate::edit::Write;
use crate::layout::Layout;
use crate::{Acts, Guarded, Pending, Runtime, RuntimeError, Shown, Stack};
use mosa_core::TokenId;
use mosa_engine::{Answer, Finish, Intervention, Options, Request, Trace};
use mosa_text::TextModel;
use std::sync::Arc;

/// An answer in words, and what the engine made of the request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What a reader sees.
    pub shown: Shown,
    /// Tokens and trace; those of the kept draw. Where a defence answered itself, the tokens of its words and no trace.
    pub answer: Answer,
    /// Tokens of its prompt.
    pub prompt: usize,
}

/// A request on its canvas, and the model calls that took.
#[derive(Clone)]
pub(crate) struct Ready {
    pub layout: Layout,
    pub forwards: usize,
}

impl Ready {
    pub(crate) fn new(text: &TextModel, options: &Options, asked: &Ask) -> Result<Self, RuntimeError> {
        Ok(Self { layout: Layout::new(text, options, asked)?, forwards: 0 })
    }

    /// Takes the tokens from response offset `offset` on that were chosen, each by a model call.
    pub(crate) fn forces(&mut self, offset: usize, chosen: Vec<TokenId>) {
        self.forwards += chosen.len();
        self.layout.forced.extend((offset..).zip(chosen));
    }
}

/// A request on its way through the defences: laid out once, decoded as often as they ask for.
pub(crate) struct Guard {
    pub ask: Ask,
    pub ready: Ready,
    acts: Acts,
    declined: Option<Declined>,
    /// What acts on each draw.
    pub draws: Vec<Draw>,
}

/// One decode of a request.
pub(crate) struct Draw {
    /// Its key of random draws.
    pub id: String,
    pub guards: Vec<Box<dyn Intervention>>,
}

impl Guard {
    /// The request as the model gets it. Words the request must not begin with are chosen later, on the model's thread or by
    /// asking it.
    pub(crate) fn new(model: &Runtime, options: &Options, asked: &Ask) -> Result<Self, RuntimeError> {
        if model.stop().asked() {
            return Err(RuntimeError::Interrupted);
        }
        let (stack, acts) = (model.defences(), Acts::default());
        if stack.is_empty() {
            let (ask, ready) = (asked.clone(), Ready::new(model.text(), options, asked)?);
            let draws = vec![Draw { id: ask.id.clone(), guards: Vec::new() }];
            return Ok(Self { ask, ready, acts, declined: None, draws });
        }
        let bare = model.defended(Stack::default());
        let mut ask = Ask { prompt: stack.rewritten_noting(&asked.prompt, &acts)?, ..asked.clone() };
        let declined = stack.before(&bare, &mut ask, &acts)?;
        let ready = Ready::new(model.text(), options, &ask)?;
        let count = if declined.is_some() { 0 } else { stack.draws() };
        let row = Guarded { prompt: &ready.layout.prompt, ask: &ask, options: &ready.layout.options };
        let draw = |n: usize| {
            let id = if n == 0 { ask.id.clone() } else { format!("{}#{n}", ask.id) };
            Ok(Draw { id, guards: stack.interventions(&bare, &row, &acts)? })
        };
        let draws = (0..count).map(draw).collect::<Result<_, RuntimeError>>()?;
        Ok(Self { ask, ready, acts, declined, draws })
    }

    /// The requests of the engine, one for every draw.
    pub(crate) fn requests(&mut self, text: &Arc<TextModel>) -> Vec<Request> {
        let layout = &self.ready.layout;
        self.draws.drain(..).map(|draw| layout.request(&draw.id, text, draw.guards)).collect()
    }

    /// What the defences make of the answers to its requests.
    pub(crate) fn answered(self, model: &Runtime, answers: Vec<Answer>) -> Result<Answered, RuntimeError> {
        let Self { ask, ready, acts, declined, .. } = self;
        let draws = match &declined {
            Some(Declined { text, by, .. }) => vec![Shown::said(text, by, ready.forwards)],
            None => answers.iter().map(|a| model.shown(&ready, a)).collect::<Result<_, _>>()?,
        };
        let bare = model.defended(Stack::default());
        let review = Review { model: &bare, ask: &ask, declined: declined.map(|d| d.at), acts: &acts };
        let Reviewed { shown, draw } = model.defences().after(draws, &review)?;
        let answer = match draw.and_then(|at| answers.into_iter().nth(at)) {
            Some(answer) => answer,
            None => said(model.text(), &ask.id, &shown)?,
        };
        let (did, spent) = acts.take();
        let shown = Shown { forwards: shown.forwards + spent, defences: did, ..shown };
        Ok(Answered { shown, answer, prompt: ready.layout.prompt.len() })
    }
}

/// Words of a defence as an answer of the engine.
fn said(text: &TextModel, id: &str, shown: &Shown) -> Result<Answer, RuntimeError> {
    Ok(Answer {
        id: id.to_owned(),
        ids: text.words(&shown.texts.full)?,
        prompt: None,
        finish: Finish::Stopped(shown.finish.clone()),
        forwards: shown.forwards,
        ahead: 0,
        trace: Trace::default(),
    })
}

impl Runtime {
    /// Answers requests by the sampler `options`; results in order. They are laid out and read on the caller's thread, so
    /// that the model's has nothing to do but to decode.
    ///
    /// # Errors
    /// As [`Runtime::decode`].
    pub fn answer(&self, options: &Options, asked: &[Ask]) -> Result<Vec<Result<Shown, RuntimeError>>, RuntimeError> {
        let answers = self.answered(options, asked)?;
        Ok(answers.into_iter().map(|answer| answer.map(|answered| answered.shown)).collect())
    }

    /// The same with tokens and traces.
    ///
    /// # Errors
    /// As [`Runtime::decode`].
    pub fn answered(
        &self,
        options: &Options,
        asked: &[Ask],
    ) -> Result<Vec<Result<Answered, RuntimeError>>, RuntimeError> {
        let mut guards: Vec<Result<Guard, RuntimeError>> = asked.iter().map(|ask| self.guard(options, ask)).collect();
        let mut counts = Vec::with_capacity(guards.len());
        let mut requests = Vec::new();
        for guard in guards.iter_mut().flatten() {
            let own = guard.requests(self.words());
            counts.push(own.len());
            requests.extend(own);
        }
        let (mut pending, mut counts) = (self.submit(requests)?.into_iter(), counts.into_iter());
        let one = |guard: Result<Guard, RuntimeError>| {
            let guard = guard?;
            let own: Vec<_> = pending.by_ref().take(counts.next().unwrap_or(0)).map(Pending::wait).collect();
            guard.answered(self, own.into_iter().collect::<Result<_, _>>()?)
        };
        Ok(guards.into_iter().map(one).collect())
    }

    /// A request behind the defences, with the words it must not begin with kept off.
    pub(crate) fn guard(&self, options: &Options, asked: &Ask) -> Result<Guard, RuntimeError> {
        let mut guard = Guard::new(self, options, asked)?;
        if let (Some(constraint), false) = (guard.ask.constraint.clone(), guard.draws.is_empty()) {
            let (offset, seen) = (constraint.offset, guard.ready.layout.clone());
            guard.ready.forces(offset, self.look(move |model| choose(model, &constraint, &seen))??);
        }
        Ok(guard)
    }

    /// An answer in words.
    fn shown(&self, ready: &Ready, answer: &Answer) -> Result<Shown, RuntimeError> {
        let Ready { layout, forwards } = ready;
        // What a defence stopped in time was stopped before the attack was through.
        if self.defences().is_empty() || !matches!(answer.finish, Finish::Stopped(_)) {
            unwritten(layout, answer)?;
        }
        let shown = Shown::of(self.text(), answer, layout.prompt.len(), layout.written(answer))?;
        Ok(Shown { forwards: shown.forwards + forwards, ..shown })
    }
}

/// Refuses an answer that was complete before all was written into it: it says nothing about the attack that asked for it.
fn unwritten(layout: &Layout, answer: &Answer) -> Result<(), RuntimeError> {
    let steps = answer.trace.steps.last().map_or(0, |record| record.step.clock + 1);
    let is_missing = |write: &&Write| write.is_missing(answer, layout.prompt.len(), steps);
    let Some(missing) = layout.writes.iter().find(is_missing) else { return Ok(()) };
    let when = match missing.when {
        When::Step(step) => format!("before step {step}"),
        When::Revealed(count) => format!("once {count} of their positions are revealed"),
    };
    Err(RuntimeError::Request(format!(
        "words are written {when}, but the answer was complete after {steps} steps; decode in more steps (--steps, a higher \
         --threshold) or write sooner"
    )))
}
