//! Requests that are decoded with each other and with nobody else.

use crate::answering::Guard;
use crate::constrained::choose;
use crate::worker::refused;
use crate::{Ask, Model, Pending, Runtime, RuntimeError, Shown};
use mosa_engine::{Answer, Batching, Event, Options, RowId, Session};

/// What became of each request.
type Outcomes<T> = Vec<Result<T, RuntimeError>>;

/// A batch that is being decoded. Who drops it gives it up.
#[must_use]
pub struct Batch {
    runtime: Runtime,
    outcomes: Pending<Outcomes<(Guard, Vec<Answer>)>>,
}

impl Batch {
    /// Waits for the answers; results in the order of the requests. They are read on the caller's thread.
    ///
    /// # Errors
    /// [`RuntimeError`] if a stop was asked for before the work began, or the model's thread is gone.
    pub fn wait(self) -> Result<Outcomes<Shown>, RuntimeError> {
        let shown = |outcome: Result<(Guard, Vec<Answer>), RuntimeError>| {
            let (guard, answers) = outcome?;
            Ok(guard.answered(&self.runtime, answers)?.shown)
        };
        Ok(self.outcomes.wait()?.into_iter().map(shown).collect())
    }
}

impl Runtime {
    /// Begins to answer requests by the sampler `options`, all of them together: they share passes (as `batching` says,
    /// whatever the runtime itself does) with each other and with nobody else, so that the same batch has the same
    /// answers, whoever else asks and however often it is made. Whoever else asks waits for it. Requests are laid out
    /// and answers read on the caller's thread, which may prepare the next batch meanwhile.
    ///
    /// A failure is the request's own. After a stop what is complete is an answer, all else is
    /// [`RuntimeError::Interrupted`].
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone.
    pub fn begin_batch(&self, options: &Options, batching: Batching, asked: &[Ask]) -> Result<Batch, RuntimeError> {
        let guards: Outcomes<Guard> = asked.iter().map(|ask| Guard::new(self, options, ask)).collect();
        let stop = self.stop().clone();
        let outcomes =
            self.begin_watched(move |model, wanted| decoded(model, batching, guards, &|| stop.asked() || !wanted()))?;
        Ok(Batch { runtime: self.clone(), outcomes })
    }
}

/// On the thread of the model.
fn decoded(
    model: &Model,
    batching: Batching,
    asked: Outcomes<Guard>,
    stop: &dyn Fn() -> bool,
) -> Outcomes<(Guard, Vec<Answer>)> {
    let mut session = Session::new(model.subject(), batching);
    let mut rows: Vec<Row> = Vec::new();
    let admit = |guard: Result<Guard, RuntimeError>| {
        let (guard, own) = admitted(guard?, model, &mut session, stop)?;
        let count = own.len();
        rows.extend(own.into_iter().map(Row::Open));
        Ok((guard, count))
    };
    let guards: Outcomes<(Guard, usize)> = asked.into_iter().map(admit).collect();
    while !session.is_idle() && !stop() {
        session.step().into_iter().for_each(|event| deliver(&mut rows, event));
    }
    session.finished().into_iter().for_each(|event| deliver(&mut rows, event));
    let mut rows = rows.into_iter().map(Row::outcome);
    let one = |guard: Result<(Guard, usize), RuntimeError>| {
        let (guard, count) = guard?;
        let own: Outcomes<Answer> = rows.by_ref().take(count).collect();
        Ok((guard, own.into_iter().collect::<Result<_, _>>()?))
    };
    guards.into_iter().map(one).collect()
}

/// Takes every draw of a request on.
fn admitted(
    mut guard: Guard,
    model: &Model,
    session: &mut Session<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<(Guard, Vec<RowId>), RuntimeError> {
    if stop() {
        return Err(RuntimeError::Interrupted);
    }
    if let (Some(constraint), false) = (&guard.ask.constraint, guard.draws.is_empty()) {
        let chosen = choose(model, constraint, &guard.ready.layout)?;
        guard.ready.forces(constraint.offset, chosen);
    }
    let requests = guard.requests(&model.text);
    requests.iter().try_for_each(refused)?;
    let own = requests.into_iter().map(|request| session.admit(request)).collect::<Result<_, _>>()?;
    Ok((guard, own))
}

/// A draw on its way.
enum Row {
    Open(RowId),
    Done(Answer),
    Failed(RuntimeError),
}

impl Row {
    fn outcome(self) -> Result<Answer, RuntimeError> {
        match self {
            Self::Open(_) => Err(RuntimeError::Interrupted),
            Self::Done(answer) => Ok(answer),
            Self::Failed(error) => Err(error),
        }
    }
}

fn deliver(rows: &mut [Row], event: Event) {
    let id = event.row();
    let Some(row) = rows.iter_mut().find(|row| matches!(row, Row::Open(open) if *open == id)) else { return };
    match event {
        Event::Stepped(_) => {}
        Event::Failed(_, error) => *row = Row::Failed(error.into()),
        Event::Finished(_, answer) => *row = Row::Done(*answer),
    }
}
