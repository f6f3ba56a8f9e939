//! All requests to the end, in a few lines over a session.

use crate::{Answer, Batching, EngineError, Event, Request, RowId, Session, StepRecord};
use mosa_core::{Canvas, Interrupt};
use mosa_model::Adapted;
use std::collections::HashMap;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop at once; rows that are not finished are lost.
    Interrupt,
}

/// Watches a decode: progress bars, live views, interrupts.
pub trait Observer {
    /// After each step of row number `row` (index into the requests); `record` is what changed, if anything did.
    fn after_step(&mut self, row: usize, canvas: &Canvas, record: Option<&StepRecord>) -> Control;
}

/// Sees nothing and never interrupts.
impl Observer for () {
    fn after_step(&mut self, _row: usize, _canvas: &Canvas, _record: Option<&StepRecord>) -> Control {
        Control::Continue
    }
}

/// Sees nothing and interrupts once a stop is asked for.
impl Observer for Interrupt {
    fn after_step(&mut self, _row: usize, _canvas: &Canvas, _record: Option<&StepRecord>) -> Control {
        if self.asked() { Control::Interrupt } else { Control::Continue }
    }
}

/// Decodes all requests; the answers come in their order. `None` stands for a row that an interrupt left unfinished.
///
/// # Errors
/// [`EngineError`] if an option or a request cannot be used (before the first pass), or if the model or an intervention
/// fails.
pub fn generate(
    subject: Adapted<'_>,
    batching: Batching,
    requests: Vec<Request>,
    observer: &mut dyn Observer,
) -> Result<Vec<Option<Answer>>, EngineError> {
    let mut session = Session::new(subject, batching);
    let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
    let mut numbers: HashMap<RowId, usize> = HashMap::new();
    for (number, request) in requests.into_iter().enumerate() {
        numbers.insert(session.admit(request)?, number);
    }
    let mut stopped = false;
    while !session.is_idle() {
        for event in session.step() {
            match event {
                // Rows of the same pass that were done with this step are whole.
                Event::Stepped(_) if stopped => {}
                Event::Stepped(id) => {
                    let Some(canvas) = session.canvas(id) else { continue };
                    stopped = observer.after_step(numbers[&id], canvas, session.last_record(id)) == Control::Interrupt;
                }
                Event::Finished(id, answer) => answers[numbers[&id]] = Some(*answer),
                Event::Failed(_, error) => return Err(error),
            }
        }
        if stopped {
            for event in session.finished() {
                if let Event::Finished(id, answer) = event {
                    answers[numbers[&id]] = Some(*answer);
                }
            }
            break;
        }
    }
    Ok(answers)
}
