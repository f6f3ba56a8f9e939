//! Counts and times of a server, in Prometheus' format.

use crate::queue::Queue;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Whose response it was.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Answered {
    pub route: &'static str,
    pub status: u16,
}

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    /// Responses by route and status.
    pub responses: Family<Answered, Counter>,
    /// Seconds from a request to its whole answer.
    pub seconds: Histogram,
    /// Seconds an answer waited for its turn.
    pub waited: Histogram,
    pub prompt_tokens: Counter,
    pub completion_tokens: Counter,
    pub forwards: Counter,
    /// Answers that nobody waited for any more.
    pub cancelled: Counter,
    running: Gauge,
    waiting: Gauge,
    pub connections: Gauge,
    /// How often a connection could not be taken.
    pub untaken: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let bounds = || [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0].into_iter();
        let mut this = Self {
            registry: Registry::with_prefix("mosa"),
            responses: Family::default(),
            seconds: Histogram::new(bounds()),
            waited: Histogram::new(bounds()),
            prompt_tokens: Counter::default(),
            completion_tokens: Counter::default(),
            forwards: Counter::default(),
            cancelled: Counter::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
            untaken: Counter::default(),
        };
        let r = &mut this.registry;
        r.register("responses", "Responses by route and status", this.responses.clone());
        r.register("answer_seconds", "Seconds from a request to its whole answer", this.seconds.clone());
        r.register("wait_seconds", "Seconds an answer waited for its turn", this.waited.clone());
        r.register("prompt_tokens", "Tokens of prompts", this.prompt_tokens.clone());
        r.register("completion_tokens", "Tokens of answers", this.completion_tokens.clone());
        r.register("forwards", "Forward passes, those of defences included", this.forwards.clone());
        r.register("cancelled", "Answers nobody waited for any more", this.cancelled.clone());
        r.register("running", "Answers under way", this.running.clone());
        r.register("waiting", "Answers that wait for their turn", this.waiting.clone());
        r.register("connections", "Open connections", this.connections.clone());
        r.register(
            "untaken",
            "Times a waiting connection could not be taken: too many open files",
            this.untaken.clone(),
        );
        this
    }

    /// Everything as text.
    pub(crate) fn text(&self, queue: &Queue) -> String {
        self.running.set(queue.running() as i64);
        self.waiting.set(queue.waiting() as i64);
        let mut out = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
