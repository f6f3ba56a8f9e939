//! Requests in words, answered.

use crate::ask::Ask;
use crate::constrained::choose;
use crate::layout::Layout;
use crate::{Pending, Runtime, RuntimeError, Shown};
use mosa_core::TokenId;
use mosa_engine::{Answer, Options};
use mosa_text::TextModel;

/// A request on its canvas, and the model calls that took.
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

impl Runtime {
    /// Answers requests by the sampler `options`; results in order. They are laid out and read on the caller's thread, so
    /// that the model's has nothing to do but to decode.
    ///
    /// # Errors
    /// As [`Runtime::decode`].
    pub fn answer(&self, options: &Options, asked: &[Ask]) -> Result<Vec<Result<Shown, RuntimeError>>, RuntimeError> {
        let ready: Vec<Result<Ready, RuntimeError>> = asked.iter().map(|ask| self.ready(options, ask)).collect();
        let laid_out = asked.iter().zip(&ready).filter_map(|(ask, ready)| Some((ask, ready.as_ref().ok()?)));
        let mut answers = self
            .submit(laid_out.map(|(ask, ready)| ready.layout.request(&ask.id, self.words())).collect())?
            .into_iter();
        let one = |ready: Result<Ready, RuntimeError>| {
            let (ready, answer) = (ready?, answers.next().map(Pending::wait));
            answer.map_or(Err(RuntimeError::Interrupted), |answer| self.shown(&ready, &answer?))
        };
        Ok(ready.into_iter().map(one).collect())
    }

    fn ready(&self, options: &Options, asked: &Ask) -> Result<Ready, RuntimeError> {
        if self.stop().asked() {
            return Err(RuntimeError::Interrupted);
        }
        let mut ready = Ready::new(self.text(), options, asked)?;
        if let Some(constraint) = asked.constraint.clone() {
            let (offset, seen) = (constraint.offset, ready.layout.clone());
            ready.forces(offset, self.look(move |model| choose(model, &constraint, &seen))??);
        }
        Ok(ready)
    }

    /// An answer in words.
    pub(crate) fn shown(&self, ready: &Ready, answer: &Answer) -> Result<Shown, RuntimeError> {
        let Ready { layout, forwards } = ready;
        unwritten(layout, answer)?;
        let shown = Shown::of(self.text(), answer, layout.prompt.len(), layout.written())?;
        Ok(Shown { forwards: shown.forwards + forwards, ..shown })
    }
}

/// Refuses an answer that was complete before all was written into it: it says nothing about the attack that asked for it.
fn unwritten(layout: &Layout, answer: &Answer) -> Result<(), RuntimeError> {
    let steps = answer.trace.steps.last().map_or(0, |record| record.step.clock + 1);
    let Some(late) = layout.writes.iter().map(|write| write.step).find(|step| *step >= steps) else { return Ok(()) };
    Err(RuntimeError::Request(format!(
        "words are written before step {late}, but the answer was complete after {steps} steps; decode in more steps (--steps, \
         a higher --threshold) or write sooner"
    )))
}
