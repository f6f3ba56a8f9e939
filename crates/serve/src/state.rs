//! What all requests to a server share, and how it was told to behave.

use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::reply::Way;
use crate::served::{Models, One};
use crate::stream::{Head, Outcome};
use crate::{Fault, Served};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Answers under way at the same time.
    pub running: usize,
    /// Answers that may wait for their turn.
    pub waiting: usize,
    /// How long an answer may take, its waiting included.
    pub timeout: Duration,
    /// Most bytes of a request.
    pub max_body: usize,
    /// What callers have to say in `Authorization: Bearer`.
    pub api_key: Option<String>,
    /// How many tokens at the end of a prompt are scored, where a request does not say it.
    pub score_tail: Option<usize>,
    /// How long answers under way may go on once the server is told to stop.
    pub grace: Duration,
    /// How long a connection may be open without the whole head of a request.
    pub head: Duration,
    /// How long the body of a request may take to come in.
    pub body: Duration,
}

impl Settings {
    /// Longer than proxies keep their connections.
    pub const HEAD: Duration = Duration::from_secs(75);
    /// Enough for any body over any line.
    pub const BODY: Duration = Duration::from_secs(30);
}

/// What all requests share.
pub(crate) struct State {
    pub models: Models,
    pub settings: Settings,
    pub queue: Arc<Queue>,
    pub metrics: Metrics,
    answered: AtomicU64,
    /// Seconds since 1970 at which it began; tells its ids from those of another.
    pub born: u64,
}

impl State {
    /// Of a server that begins now.
    pub(crate) fn new(models: Vec<Served>, settings: Settings) -> Self {
        let queue = Queue::new(settings.running, settings.waiting);
        let (models, metrics) = (Models::new(models), Metrics::new());
        Self { models, queue, metrics, answered: AtomicU64::new(0), born: now(), settings }
    }

    /// A name for a response.
    fn id(&self, way: Way) -> String {
        format!("{}-{:x}-{}", way.id(), self.born, self.answered.fetch_add(1, Ordering::Relaxed))
    }

    /// What all parts of a response say.
    pub(crate) fn head(&self, way: Way, one: &One) -> Head {
        let Served { name, fingerprint, .. } = &one.served;
        Head { way, id: self.id(way), model: name.clone(), created: now(), fingerprint: fingerprint.clone() }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, outcome: &Outcome, took: Duration) {
        let metrics = &self.metrics;
        match outcome {
            Ok((said, _)) => {
                metrics.seconds.observe(took.as_secs_f64());
                metrics.prompt_tokens.inc_by(said.answered.prompt as u64);
                metrics.completion_tokens.inc_by(said.tokens as u64);
                metrics.forwards.inc_by(said.answered.shown.forwards as u64);
            }
            Err(fault) if fault.code == "cancelled" => {
                metrics.cancelled.inc();
            }
            Err(_) => {}
        }
    }
}

/// Whether a caller may ask.
pub(crate) fn allowed(settings: &Settings, told: Option<&str>) -> Result<(), Fault> {
    let Some(key) = &settings.api_key else { return Ok(()) };
    let said = told.and_then(|told| told.strip_prefix("Bearer ")).unwrap_or_default();
    // As long as all of it takes, wherever the first difference is.
    let same = said.len() == key.len() && said.bytes().zip(key.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0;
    if same {
        return Ok(());
    }
    let message = "this server asks for its key: Authorization: Bearer KEY";
    Err(Fault::new(axum::http::StatusCode::UNAUTHORIZED, "invalid_api_key", message))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
