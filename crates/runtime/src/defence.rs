//! What stands between a model and whoever asks it: defences, as a runtime applies them.
//!
//! ```text
//! Ask -> before (rewrite the prompt, or decline) -> canvas with the interventions of attack and defences, in this order
//!     -> draws of the answer -> after (keep one of them, or answer something else) -> Shown, with what every defence did
//! ```

use crate::{Ask, Runtime, RuntimeError, Shown};
use mosa_core::TokenId;
use mosa_engine::{Intervention, Options};
use mosa_records::DefenceAct;
use mosa_text::Prompt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a defence does with a request before anything of it is a canvas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// The model is asked.
    #[default]
    Go,
    /// The model is not asked: this is the answer.
    Decline(String),
}

/// What a defence does with the draws of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The draw of this number is the answer.
    Keep(usize),
    /// This is the answer instead.
    Answer(String),
}

/// A request on its canvas, as a defence sees it before the first step.
#[derive(Debug)]
pub struct Guarded<'a> {
    /// Its prompt; masks that are to be filled are not in it.
    pub prompt: &'a [TokenId],
    /// What is asked, as the defences before this one left it.
    pub ask: &'a Ask,
    /// How it is decoded.
    pub options: &'a Options,
}

/// A defence at work: settings and assets are read, so nothing is missing any more.
///
/// Every method does nothing by default. Hooks run on the thread of whoever asks and get the runtime without its defences, which
/// they may ask themselves; model calls of theirs are told to [`Acts`].
pub trait Defence: Send + Sync {
    /// Its name in records.
    fn name(&self) -> &'static str;

    /// Whether it acts while an answer is decoded ([`Defence::intervention`]). What does cannot act on choices that are only
    /// scored.
    fn acts_inside(&self) -> bool {
        false
    }

    /// Whether all it does is done before the answer is decoded: what of an answer is settled then stays, and may be shown before
    /// the rest is there.
    fn only_before(&self) -> bool {
        false
    }

    /// Changes the prompt of a request; the same for the same prompt.
    ///
    /// # Errors
    /// [`RuntimeError::Defence`] for prompts that are tokens already.
    fn rewrite(&self, _prompt: &mut Prompt) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Looks at a request whose prompt is rewritten, and may change how it is answered.
    ///
    /// # Errors
    /// Whatever went wrong; the request fails.
    fn before(&self, _model: &Runtime, _ask: &mut Ask, _acts: &Acts) -> Result<Before, RuntimeError> {
        Ok(Before::Go)
    }

    /// What acts on a row while it is decoded, behind what an attack does.
    ///
    /// # Errors
    /// Whatever went wrong; the request fails.
    fn intervention(
        &self,
        _model: &Runtime,
        _row: &Guarded<'_>,
        _acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        Ok(None)
    }

    /// How many answers are drawn. Of a stack one defence may draw more than one.
    fn draws(&self) -> usize {
        1
    }

    /// Looks at the draws of an answer: at all of them if it asked for several, else at one at a time. Defences before it in the
    /// stack see what it makes of them.
    ///
    /// # Errors
    /// Whatever went wrong; the request fails.
    fn after(&self, _model: &Runtime, _ask: &Ask, _draws: &[Shown], _acts: &Acts) -> Result<After, RuntimeError> {
        Ok(After::Keep(0))
    }
}

/// What the defences of a request did, and the model calls they made beside those of the answer. Clones are the same list; an
/// intervention keeps one.
#[derive(Clone, Debug, Default)]
pub struct Acts(Arc<Mutex<Done>>);

#[derive(Debug, Default)]
struct Done {
    acts: Vec<DefenceAct>,
    forwards: usize,
}

impl Acts {
    /// Adds something that was done.
    pub fn did(&self, act: DefenceAct) {
        self.done(|done| done.acts.push(act));
    }

    /// Whether this defence has done something to the request.
    pub fn acted(&self, defence: &str) -> bool {
        self.done(|done| done.acts.iter().any(|act| act.defence == defence))
    }

    /// Adds model calls.
    pub fn spent(&self, forwards: usize) {
        self.done(|done| done.forwards += forwards);
    }

    fn done<T>(&self, change: impl FnOnce(&mut Done) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was done so far, and the model calls.
    pub(crate) fn take(&self) -> (Vec<DefenceAct>, usize) {
        self.done(|done| (std::mem::take(&mut done.acts), std::mem::take(&mut done.forwards)))
    }
}

/// Defences in the order they act: the first is next to whoever asks. The last of them is the first to see an answer.
#[derive(Clone, Default)]
pub struct Stack(Arc<[Arc<dyn Defence>]>);

impl Stack {
    /// These defences.
    ///
    /// # Errors
    /// [`RuntimeError::Defence`] if more than one of them draws several answers.
    pub fn new(defences: Vec<Arc<dyn Defence>>) -> Result<Self, RuntimeError> {
        let mut drawing = defences.iter().filter(|d| d.draws() > 1).map(|d| d.name());
        if let (Some(one), Some(other)) = (drawing.next(), drawing.next()) {
            return Err(failed(
                other,
                format!("draws several answers, and so does {one}; a stack can hold one of them"),
            ));
        }
        Ok(Self(defences.into()))
    }

    /// The same defences, and this one behind them, next to the model.
    ///
    /// # Errors
    /// As [`Stack::new`].
    pub fn with(&self, last: Arc<dyn Defence>) -> Result<Self, RuntimeError> {
        Self::new(self.0.iter().cloned().chain([last]).collect())
    }

    /// They themselves, in order.
    pub fn all(&self) -> &[Arc<dyn Defence>] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether none of them does anything once the answer is being decoded.
    pub fn only_before(&self) -> bool {
        self.0.iter().all(|d| d.only_before())
    }

    /// Names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|d| d.name()).collect()
    }

    /// Those that have nothing to act on where choices are only scored.
    pub fn inside(&self) -> Vec<&'static str> {
        self.0.iter().filter(|d| d.acts_inside()).map(|d| d.name()).collect()
    }

    /// A prompt as the model gets it.
    ///
    /// # Errors
    /// [`RuntimeError::Defence`] for prompts that are tokens already.
    pub fn rewritten(&self, prompt: &Prompt) -> Result<Prompt, RuntimeError> {
        self.rewritten_noting(prompt, &Acts::default())
    }

    /// The same; a defence that changed something has acted.
    pub(crate) fn rewritten_noting(&self, prompt: &Prompt, acts: &Acts) -> Result<Prompt, RuntimeError> {
        let mut prompt = prompt.clone();
        for defence in self.0.iter() {
            let before = prompt.clone();
            defence.rewrite(&mut prompt)?;
            if prompt != before {
                acts.did(DefenceAct::new(defence.name(), "rewrote the prompt"));
            }
        }
        Ok(prompt)
    }

    pub(crate) fn draws(&self) -> usize {
        self.0.iter().map(|d| d.draws()).max().unwrap_or(1)
    }

    pub(crate) fn before(&self, model: &Runtime, ask: &mut Ask, acts: &Acts) -> Result<Option<Declined>, RuntimeError> {
        for (at, defence) in self.0.iter().enumerate() {
            if let Before::Decline(text) = defence.before(model, ask, acts)? {
                return Ok(Some(Declined { text, by: defence.name(), at }));
            }
        }
        Ok(None)
    }

    pub(crate) fn interventions(
        &self,
        model: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Vec<Box<dyn Intervention>>, RuntimeError> {
        self.0.iter().filter_map(|d| d.intervention(model, row, acts).transpose()).collect()
    }

    /// The answer behind all defences, from the last to the first. One that was declined is seen by those before it.
    pub(crate) fn after(&self, draws: Vec<Shown>, review: &Review<'_>) -> Result<Reviewed, RuntimeError> {
        let mut all: Vec<Reviewed> = (0..).zip(draws).map(|(n, shown)| Reviewed { shown, draw: Some(n) }).collect();
        for defence in self.0[..review.declined.unwrap_or(self.0.len())].iter().rev() {
            all = if defence.draws() > 1 {
                vec![review.made(&**defence, all)?]
            } else {
                all.into_iter().map(|one| review.made(&**defence, vec![one])).collect::<Result<_, _>>()?
            };
        }
        all.into_iter().next().ok_or(RuntimeError::Interrupted)
    }
}

/// What defences are shown beside draws.
pub(crate) struct Review<'a> {
    pub model: &'a Runtime,
    pub ask: &'a Ask,
    /// The place in the stack of the defence that declined the request.
    pub declined: Option<usize>,
    pub acts: &'a Acts,
}

/// An answer on its way out.
pub(crate) struct Reviewed {
    pub shown: Shown,
    /// Which draw it is; none where a defence answered itself.
    pub draw: Option<usize>,
}

impl Review<'_> {
    /// The answer one defence makes of draws; it has cost all of them.
    fn made(&self, defence: &dyn Defence, mut draws: Vec<Reviewed>) -> Result<Reviewed, RuntimeError> {
        let forwards = draws.iter().map(|d| d.shown.forwards).sum();
        let shown: Vec<Shown> = draws.iter().map(|d| d.shown.clone()).collect();
        match defence.after(self.model, self.ask, &shown, self.acts)? {
            After::Keep(at) if at < draws.len() => {
                let Reviewed { shown, draw } = draws.swap_remove(at);
                Ok(Reviewed { shown: Shown { forwards, ..shown }, draw })
            }
            After::Keep(at) => Err(failed(defence.name(), format!("keeps draw {at} of {}", draws.len()))),
            After::Answer(text) => Ok(Reviewed { shown: Shown::said(&text, defence.name(), forwards), draw: None }),
        }
    }
}

/// A request that was declined.
pub(crate) struct Declined {
    pub text: String,
    pub by: &'static str,
    /// Its place in the stack.
    pub at: usize,
}

/// An error of this defence.
fn failed(name: &str, what: impl Into<String>) -> RuntimeError {
    RuntimeError::Defence { name: name.into(), what: what.into() }
}
