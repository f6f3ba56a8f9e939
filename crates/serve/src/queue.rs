//! Who is answered now, who waits, and who is sent away.

use crate::Fault;
use axum::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers under way, and those that wait for one of them to end, first come first served.
pub(crate) struct Queue {
    places: Arc<Semaphore>,
    /// Answers that are under way or wait.
    there: AtomicUsize,
    most: usize,
    running: usize,
}

/// A place in the queue; leaving it is dropping it.
pub(crate) struct Place {
    queue: Arc<Queue>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Queue {
    pub(crate) fn new(running: usize, waiting: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(running));
        Arc::new(Self { places, there: AtomicUsize::new(0), most: running.saturating_add(waiting), running })
    }

    /// A place for every answer of a request, or none at all.
    pub(crate) fn enter(self: &Arc<Self>, answers: usize) -> Result<Vec<Place>, Fault> {
        let room = |there: usize| there.checked_add(answers).filter(|sum| *sum <= self.most);
        match self.there.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room) {
            Ok(_) => Ok((0..answers).map(|_| Place { queue: Arc::clone(self), permit: None }).collect()),
            Err(there) => {
                let message = format!(
                    "{there} answers are under way or wait, and this request asks for {answers} more than the {} there is \
                     room for: try again later, or ask for less at a time (--max-queue)",
                    self.most
                );
                Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message))
            }
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running - self.places.available_permits()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.there.load(Ordering::SeqCst).saturating_sub(self.running())
    }
}

impl Place {
    /// Waits for its turn.
    pub(crate) async fn turn(&mut self) -> Result<(), Fault> {
        let permit = Arc::clone(&self.queue.places).acquire_owned().await;
        let closed = |_| Fault::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "the server is shutting down");
        self.permit = Some(permit.map_err(closed)?);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        self.queue.there.fetch_sub(1, Ordering::SeqCst);
    }
}
