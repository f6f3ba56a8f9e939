//! Requests that are decoded with each other and with nobody else.

use crate::answering::Ready;
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
    outcomes: Pending<Outcomes<(Ready, Answer)>>,
}

impl Batch {
    /// Waits for the answers; results in the order of the requests. They are read on the caller's thread.
    ///
    /// # Errors
    /// [`RuntimeError`] if a stop was asked for before the work began, or the model's thread is gone.
    pub fn wait(self) -> Result<Outcomes<Shown>, RuntimeError> {
        let shown = |outcome: Result<(Ready, Answer), RuntimeError>| {
            let (ready, answer) = outcome?;
            self.runtime.shown(&ready, &answer)
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
        let ready: Vec<_> = asked.iter().map(|ask| Ok((ask.clone(), Ready::new(self.text(), options, ask)?))).collect();
        let stop = self.stop().clone();
        let outcomes =
            self.begin_watched(move |model, wanted| decoded(model, batching, ready, &|| stop.asked() || !wanted()))?;
        Ok(Batch { runtime: self.clone(), outcomes })
    }
}

/// On the thread of the model.
fn decoded(
    model: &Model,
    batching: Batching,
    asked: Outcomes<(Ask, Ready)>,
    stop: &dyn Fn() -> bool,
) -> Outcomes<(Ready, Answer)> {
    let mut session = Session::new(model.subject(), batching);
    let mut rows: Vec<Row> = asked.into_iter().map(|one| Row::admit(one, model, &mut session, stop)).collect();
    while !session.is_idle() && !stop() {
        session.step().into_iter().for_each(|event| deliver(&mut rows, event));
    }
    session.finished().into_iter().for_each(|event| deliver(&mut rows, event));
    rows.into_iter().map(Row::outcome).collect()
}

/// A request on its way.
enum Row {
    Open(RowId, Ready),
    Done(Ready, Answer),
    Failed(RuntimeError),
}

impl Row {
    fn admit(
        asked: Result<(Ask, Ready), RuntimeError>,
        model: &Model,
        session: &mut Session<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Self {
        let admitted = asked.and_then(|(ask, mut ready)| {
            if stop() {
                return Err(RuntimeError::Interrupted);
            }
            if let Some(constraint) = &ask.constraint {
                let chosen = choose(model, constraint, &ready.layout)?;
                ready.forces(constraint.offset, chosen);
            }
            let request = ready.layout.request(&ask.id, &model.text);
            refused(&request)?;
            Ok(Self::Open(session.admit(request)?, ready))
        });
        admitted.unwrap_or_else(Self::Failed)
    }

    fn outcome(self) -> Result<(Ready, Answer), RuntimeError> {
        match self {
            Self::Open(..) => Err(RuntimeError::Interrupted),
            Self::Done(ready, answer) => Ok((ready, answer)),
            Self::Failed(error) => Err(error),
        }
    }
}

fn deliver(rows: &mut [Row], event: Event) {
    let id = event.row();
    let Some(row) = rows.iter_mut().find(|row| matches!(row, Row::Open(open, _) if *open == id)) else { return };
    match event {
        Event::Stepped(_) => {}
        Event::Failed(_, error) => *row = Row::Failed(error.into()),
        Event::Finished(_, answer) => {
            if let Row::Open(_, ready) = std::mem::replace(row, Row::Failed(RuntimeError::Interrupted)) {
                *row = Row::Done(ready, *answer);
            }
        }
    }
}
