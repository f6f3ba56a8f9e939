//! Requests in words, answered.

use crate::ask::Ask;
use crate::constrained::choose;
use crate::layout::Layout;
use crate::{Pending, Runtime, RuntimeError, Shown};
use mosa_engine::{Answer, Options};

/// A request on its canvas, and the model calls that took.
struct Ready {
    layout: Layout,
    forwards: usize,
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
        let mut answers =
            self.submit(laid_out.map(|(ask, ready)| ready.layout.request(&ask.id)).collect())?.into_iter();
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
        let mut layout = Layout::new(self.text(), options, asked)?;
        let Some(constraint) = asked.constraint.clone() else { return Ok(Ready { layout, forwards: 0 }) };
        let (offset, seen) = (constraint.offset, layout.clone());
        let chosen = self.look(move |model| choose(model, &constraint, &seen))??;
        let forwards = chosen.len();
        layout.forced.extend((offset..).zip(chosen));
        Ok(Ready { layout, forwards })
    }

    fn shown(&self, ready: &Ready, answer: &Answer) -> Result<Shown, RuntimeError> {
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
