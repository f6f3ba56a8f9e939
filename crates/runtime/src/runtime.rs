//! A model on a thread of its own, and the handle by which everybody asks it.

use crate::owner::on_a_models_thread;
use crate::pending::{Broken, Pending, may_wait, why};
use crate::worker::{Job, Ticket, Worker};
use crate::{Follower, Model, RuntimeError, Stack};
use mosa_core::Interrupt;
use mosa_engine::{Answer, Batching, Request};
use mosa_model::{ForwardTime, ModelSpec, all_threads, forward_time};
use mosa_text::TextModel;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

/// As much stack as a main thread has.
const STACK: usize = 8 << 20;

/// How a runtime decodes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How rows share passes.
    pub batching: Batching,
    /// Most answers under way at the same time; whoever comes later waits.
    pub batch_size: usize,
    /// Ends everything that waits, and refuses what comes later.
    pub stop: Interrupt,
}

/// A handle of a model that lives on a thread of its own. Clones share the thread; it ends with the last of them, once what
/// somebody still waits for is done.
///
/// Requests of many threads are decoded together, up to a batch size of them at a time, and each is answered when it is
/// done. With [`Batching::Rows`] the company changes no bit of an answer. A request that cannot be decoded fails alone; a
/// stop fails all that are not complete; a panic on the model's thread fails all there are and all that come.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
    defences: Stack,
}

struct Shared {
    spec: ModelSpec,
    text: Arc<TextModel>,
    stop: Interrupt,
    broken: Broken,
    /// Gone only while the last handle is dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.jobs = None;
        // A handle that work on a model's thread held last cannot wait for that thread.
        if let Some(thread) = self.thread.take().filter(|_| !on_a_models_thread()) {
            let _ = thread.join();
        }
    }
}

impl Runtime {
    /// Moves a model onto a thread of its own. It computes with as many threads as the caller would.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`] if the system has no thread left.
    pub fn start(model: Model, settings: Settings) -> Result<Self, RuntimeError> {
        let (jobs, queue) = channel();
        let broken: Broken = Arc::new(OnceLock::new());
        let (spec, text) = (model.weights.spec().clone(), Arc::clone(&model.text));
        let stop = settings.stop.clone();
        let worker = Worker::new(settings, queue, Arc::clone(&broken));
        let threads = all_threads();
        let work = move || worker.run(model, threads);
        let thread = Builder::new().name("model".into()).stack_size(STACK).spawn(work);
        let thread = Some(thread.map_err(RuntimeError::Thread)?);
        let shared = Arc::new(Shared { spec, text, stop, broken, jobs: Some(jobs), thread });
        Ok(Self { shared, defences: Stack::default() })
    }

    /// The same model behind these defences: whoever asks the handle in words is answered through them. [`Runtime::submit`] and
    /// work on the model itself know nothing of them.
    #[must_use]
    pub fn defended(&self, defences: Stack) -> Self {
        Self { shared: Arc::clone(&self.shared), defences }
    }

    /// The defences it is behind.
    pub fn defences(&self) -> &Stack {
        &self.defences
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.shared.spec
    }

    /// Its words.
    pub fn text(&self) -> &TextModel {
        &self.shared.text
    }

    /// Its words, for what outlives this handle.
    pub fn words(&self) -> &Arc<TextModel> {
        &self.shared.text
    }

    /// What ends everything that waits.
    pub fn stop(&self) -> &Interrupt {
        &self.shared.stop
    }

    /// Begins to decode requests; none of them waits for another one.
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone.
    pub fn submit(&self, requests: Vec<Request>) -> Result<Vec<Pending<Answer>>, RuntimeError> {
        self.submit_followed(requests, None)
    }

    /// The same; `follower` sees the steps of the first of them, and may give all of them up.
    pub(crate) fn submit_followed(
        &self,
        requests: Vec<Request>,
        follower: Option<&Arc<dyn Follower>>,
    ) -> Result<Vec<Pending<Answer>>, RuntimeError> {
        let (mut tickets, mut answers) = (Vec::new(), Vec::new());
        for (number, request) in requests.into_iter().enumerate() {
            let (reply, pending) = self.pending();
            let (asker, follower, shown) = (Arc::downgrade(&pending.asker), follower.cloned(), number == 0);
            tickets.push(Ticket { request, reply, asker, follower, shown });
            answers.push(pending);
        }
        self.send(Job::Decode(tickets))?;
        Ok(answers)
    }

    /// Decodes requests and waits for all of them; results in order.
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone, [`RuntimeError::Nested`] on the thread of a model. What befalls a single
    /// request is its own result.
    pub fn decode(&self, requests: Vec<Request>) -> Result<Vec<Result<Answer, RuntimeError>>, RuntimeError> {
        may_wait()?;
        Ok(self.submit(requests)?.into_iter().map(Pending::wait).collect())
    }

    /// Begins work on the model's thread, between two steps of what is decoded there.
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone.
    pub fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Model) -> T + Send + 'static,
    ) -> Result<Pending<T>, RuntimeError> {
        self.begin_watched(|model, _| work(model))
    }

    /// The same work, which may ask now and then whether somebody still waits for it.
    pub(crate) fn begin_watched<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Model, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<Pending<T>, RuntimeError> {
        let (reply, pending) = self.pending();
        let asker = Arc::downgrade(&pending.asker);
        let look = move |model: Option<&Model>| {
            let worked = model.map(|model| work(model, &|| asker.strong_count() > 0));
            let _ = reply.send(worked.ok_or(RuntimeError::Interrupted));
        };
        self.send(Job::Look(Box::new(look)))?;
        Ok(pending)
    }

    /// Does work on the model's thread and waits for it: whatever needs the model itself. The work cannot wait for a model,
    /// this one or another, so runtimes that are used together cannot wait for each other.
    ///
    /// # Errors
    /// [`RuntimeError`] if a stop was asked for before the work began, or the work panicked.
    pub fn look<T: Send + 'static>(&self, work: impl FnOnce(&Model) -> T + Send + 'static) -> Result<T, RuntimeError> {
        may_wait()?;
        self.begin(work)?.wait()
    }

    /// Work on the model's thread that shows its caller something now and then and waits for what is said to it; nothing is
    /// said where the caller is gone.
    ///
    /// # Errors
    /// As [`Runtime::look`].
    pub fn talk<S: Send + 'static, A: Send + 'static, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Model, &mut dyn FnMut(S) -> Option<A>) -> T + Send + 'static,
        mut say: impl FnMut(S) -> A,
    ) -> Result<T, RuntimeError> {
        may_wait()?;
        let ((show, shown), (answer, answers)) = (channel(), channel());
        let done = self.begin(move |model| work(model, &mut |what| show.send(what).ok().and(answers.recv().ok())))?;
        for what in shown {
            if answer.send(say(what)).is_err() {
                break;
            }
        }
        done.wait()
    }

    /// What forward passes on the model's thread have taken so far, of whoever asked for them
    /// ([`mosa_model::forward_time`]); also after a stop.
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone, [`RuntimeError::Nested`] on the thread of a model.
    pub fn forward_time(&self) -> Result<ForwardTime, RuntimeError> {
        may_wait()?;
        let (reply, pending) = self.pending();
        self.send(Job::Look(Box::new(move |_| {
            let _ = reply.send(Ok(forward_time()));
        })))?;
        pending.wait()
    }

    fn pending<T>(&self) -> (Sender<Result<T, RuntimeError>>, Pending<T>) {
        let (reply, result) = channel();
        (reply, Pending { result, broken: Arc::clone(&self.shared.broken), asker: Arc::new(()) })
    }

    fn send(&self, job: Job) -> Result<(), RuntimeError> {
        let sent = self.shared.jobs.as_ref().map(|jobs| jobs.send(job));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(why(&self.shared.broken)) }
    }
}
