//! The thread that owns a model: takes requests on, steps them, hands out what is done.

use crate::owner::become_a_models_thread;
use crate::pending::Broken;
use crate::{Follower, Model, RuntimeError, Settings};
use mosa_engine::{Answer, Event, Request, RowId, Session};
use mosa_model::{all_threads, set_threads};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Weak};

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Requests to decode.
    Decode(Vec<Ticket>),
    /// Work on the model; it is told so if there is no time left for it.
    Look(Work),
}

/// Work on a model; without one it only tells whoever waits that there will be none.
pub(crate) type Work = Box<dyn FnOnce(Option<&Model>) + Send>;

/// A request, and who waits for its answer.
pub(crate) struct Ticket {
    pub request: Request,
    pub reply: Reply,
    pub asker: Weak<()>,
    /// Who may give it up, and sees the canvas after every step where it is `shown`.
    pub follower: Option<Arc<dyn Follower>>,
    pub shown: bool,
}

type Reply = Sender<Result<Answer, RuntimeError>>;

/// An answer under way.
struct Row {
    id: RowId,
    reply: Reply,
    asker: Weak<()>,
    follower: Option<Arc<dyn Follower>>,
    shown: bool,
}

/// Everything of the thread but the model.
pub(crate) struct Worker {
    settings: Settings,
    jobs: Receiver<Job>,
    waiting: VecDeque<Ticket>,
    rows: Vec<Row>,
    broken: Broken,
}

impl Worker {
    pub(crate) fn new(settings: Settings, jobs: Receiver<Job>, broken: Broken) -> Self {
        Self { settings, jobs, waiting: VecDeque::new(), rows: Vec::new(), broken }
    }

    /// Works until nobody can ask any more. A panic is told to whoever waits or will ask.
    pub(crate) fn run(mut self, model: Model, threads: usize) {
        become_a_models_thread();
        // The number is kept per thread; the call also changes how MKL chooses its own, so it is made only where needed.
        if all_threads() != threads {
            set_threads(i32::try_from(threads).unwrap_or(1));
        }
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(&model)));
        let why = worked.map_or_else(|panic| said(panic.as_ref()), |()| "it has ended".to_owned());
        let _ = self.broken.set(why);
        // Only now the replies that are still owed are dropped, and their askers look at why.
    }

    fn work(&mut self, model: &Model) {
        let mut session = Session::new(model.subject(), self.settings.batching);
        while self.take_in(model) {
            if self.settings.stop.asked() {
                self.end(&mut session);
                continue;
            }
            self.forget(&mut session);
            self.admit(&mut session);
            for event in session.step() {
                self.show(&session, &event);
                self.deliver(event);
            }
        }
    }

    /// Takes what came; waits for it where there is nothing else to do. Whether there is, or may be, more to do.
    fn take_in(&mut self, model: &Model) -> bool {
        if self.rows.is_empty() && self.waiting.is_empty() {
            let Ok(job) = self.jobs.recv() else { return false };
            self.take(job, model);
        }
        while let Ok(job) = self.jobs.try_recv() {
            self.take(job, model);
        }
        true
    }

    fn take(&mut self, job: Job, model: &Model) {
        match job {
            Job::Decode(tickets) => self.waiting.extend(tickets),
            Job::Look(work) => work((!self.settings.stop.asked()).then_some(model)),
        }
    }

    /// Takes requests on while there is room; one that cannot be decoded fails alone.
    fn admit(&mut self, session: &mut Session<'_>) {
        while self.rows.len() < self.settings.batch_size.max(1)
            && let Some(Ticket { request, reply, asker, follower, shown }) = self.waiting.pop_front()
        {
            match refused(&request).and_then(|()| Ok(session.admit(request)?)) {
                Ok(id) => self.rows.push(Row { id, reply, asker, follower, shown }),
                Err(error) => tell(&reply, Err(error)),
            }
        }
    }

    /// Drops what nobody waits for any more, and what its follower does not want.
    fn forget(&mut self, session: &mut Session<'_>) {
        self.waiting.retain(|ticket| wanted(&ticket.asker, ticket.follower.as_ref(), &ticket.reply));
        self.rows.retain(|row| {
            let stays = wanted(&row.asker, row.follower.as_ref(), &row.reply);
            if !stays {
                session.cancel(row.id);
            }
            stays
        });
    }

    /// After a stop: what is complete is an answer, all else is interrupted.
    fn end(&mut self, session: &mut Session<'_>) {
        for event in session.finished() {
            self.deliver(event);
        }
        for row in self.rows.drain(..) {
            session.cancel(row.id);
            tell(&row.reply, Err(RuntimeError::Interrupted));
        }
        for ticket in self.waiting.drain(..) {
            tell(&ticket.reply, Err(RuntimeError::Interrupted));
        }
    }

    /// Shows a row that made a step to whoever follows it.
    fn show(&self, session: &Session<'_>, event: &Event) {
        let Event::Stepped(id) = event else { return };
        let follower = self.rows.iter().find(|row| row.id == *id && row.shown).and_then(|row| row.follower.as_ref());
        if let (Some(follower), Some(canvas)) = (follower, session.canvas(*id)) {
            follower.step(canvas, session.last_record(*id));
        }
    }

    fn deliver(&mut self, event: Event) {
        let (id, result) = match event {
            Event::Stepped(_) => return,
            Event::Finished(id, answer) => (id, Ok(*answer)),
            Event::Failed(id, error) => (id, Err(error.into())),
        };
        if let Some(at) = self.rows.iter().position(|row| row.id == id) {
            tell(&self.rows.remove(at).reply, result);
        }
    }
}

/// Refuses what would make an answer depend on who else asks at the same time.
pub(crate) fn refused(request: &Request) -> Result<(), RuntimeError> {
    match request.options.schedule.plan().counts_together() {
        false => Ok(()),
        true => {
            Err(RuntimeError::Request("its number to reveal is a mean over a batch, and whoever asks has none".into()))
        }
    }
}

/// Whether an answer is wanted. Who waits although its follower does not want it is told.
fn wanted(asker: &Weak<()>, follower: Option<&Arc<dyn Follower>>, reply: &Reply) -> bool {
    let given_up = follower.is_some_and(|follower| !follower.wanted());
    if given_up {
        tell(reply, Err(RuntimeError::Interrupted));
    }
    !given_up && asker.strong_count() > 0
}

/// Hands a result over, if somebody still waits for it.
fn tell(reply: &Reply, result: Result<Answer, RuntimeError>) {
    let _ = reply.send(result);
}

/// The words of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
