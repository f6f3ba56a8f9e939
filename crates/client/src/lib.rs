//! A client of one OpenAI-compatible chat endpoint: retries, a pace, and a budget that is never overrun.
//!
//! [`Endpoint::chat`] blocks; callers use threads. One `Endpoint` is meant to be shared (`Arc`) by all that spend the
//! same budget: judges, and the helper models of attacks.

mod error;
mod ledger;
mod pace;
mod refused;
mod reply;
mod retry;
mod settings;
mod usage;
mod wire;

pub use error::{BudgetKind, EndpointError};
pub use mosa_core::{Message, Role};
pub use reply::{Broken, Spoken, is_length, is_stop};
pub use settings::{Budget, EndpointSettings, Price};
pub use usage::Usage;
pub use wire::{Chat, Reply};

use ledger::{Ledger, Need, Reservation};
use mosa_core::Interrupt;
use pace::{Pace, Slots};
use retry::{Failure, backoff, retry_after};
use settings::Key;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of a reply beyond which it is refused.
const REPLY_LIMIT: u64 = 4 << 20;

/// A chat endpoint with everything that limits how it may be used.
pub struct Endpoint {
    settings: EndpointSettings,
    url: String,
    key: Option<Key>,
    agent: ureq::Agent,
    stop: Interrupt,
    slots: Slots,
    pace: Pace,
    ledger: Ledger,
    retries: AtomicU64,
    replies: AtomicU64,
}

impl Endpoint {
    /// Checks the settings and reads the API key. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Setting`] names the setting that cannot be used, [`EndpointError::MissingKey`] the variable.
    pub fn new(settings: EndpointSettings) -> Result<Self, EndpointError> {
        let url = settings.check()?;
        let key = Key::read(settings.api_key_env.as_deref())?;
        settings.check_transport(key.is_some())?;
        let seconds = |s| Some(Duration::from_secs_f64(s));
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(seconds(settings.timeout_seconds))
            .timeout_connect(seconds(settings.connect_timeout_seconds.min(settings.timeout_seconds)))
            .max_idle_connections_per_host(settings.max_concurrency)
            .user_agent(concat!("mosa/", env!("CARGO_PKG_VERSION")));
        if settings.is_local() {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().new_agent(),
            stop: Interrupt::new(),
            slots: Slots::new(settings.max_concurrency),
            pace: Pace::new(settings.requests_per_minute),
            ledger: Ledger::new(settings.budget, settings.price),
            retries: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            url,
            key,
            settings,
        })
    }

    /// The same endpoint, which gives up every wait as soon as a stop is asked for. A reply that was not waited for counts as
    /// billed.
    #[must_use]
    pub fn stopped_by(self, stop: Interrupt) -> Self {
        Self { stop, ..self }
    }

    /// The settings it was made with; the key is not among them.
    pub fn settings(&self) -> &EndpointSettings {
        &self.settings
    }

    /// What it was used for so far.
    pub fn usage(&self) -> Usage {
        Usage {
            replies: self.replies.load(Ordering::Relaxed),
            transport_retries: self.retries.load(Ordering::Relaxed),
            ..self.ledger.usage()
        }
    }

    /// Sends one conversation and waits for the reply, retrying what may pass.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Budget`] before anything is sent; otherwise what went wrong last, and what to do about it.
    pub fn chat(&self, chat: &Chat) -> Result<Reply, EndpointError> {
        let body = chat.body(&self.settings);
        let need = Need { prompt: chat.prompt_bound(), completion: u64::from(chat.max_tokens) };
        let _slot = self.slots.take(&self.stop).ok_or(EndpointError::Interrupted)?;
        let mut retries = 0;
        loop {
            if self.stop.asked() {
                return Err(EndpointError::Interrupted);
            }
            let failure = match self.attempt(&body, need) {
                Ok(reply) => return Ok(Reply { transport_retries: retries, ..reply }),
                Err(failure) => failure,
            };
            let (error, asked) = match failure {
                Failure::Final(error) => return Err(error),
                Failure::Passing { error, wait } => (error.after(retries + 1), wait),
            };
            let wait = asked.unwrap_or_else(|| backoff(&self.settings, &body, retries));
            if wait.as_secs_f64() > self.settings.max_wait_seconds {
                return Err(error);
            }
            if asked.is_some() {
                self.pace.hold(wait);
            }
            if retries >= self.settings.retries {
                return Err(error);
            }
            if !self.stop.sleep(wait) {
                return Err(EndpointError::Interrupted);
            }
            retries += 1;
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One request. What it may cost is reserved before it is sent.
    fn attempt(&self, body: &str, need: Need) -> Result<Reply, Failure> {
        let reserved = self.ledger.reserve(need, &self.stop)?;
        if !self.pace.wait(&self.stop) {
            reserved.release();
            return Err(EndpointError::Interrupted.into());
        }
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", key.bearer());
        }
        let body = body.to_owned();
        // Dropped without more, the reservation counts as billed.
        let Response { status, wait, text } = match self.stop.wait_for(move || request.send(body).map(Response::read)) {
            None => return Err(EndpointError::Interrupted.into()),
            Some(Err(error)) => return Err(self.unsent(&error, reserved)),
            Some(Ok(response)) => response,
        };
        if status != 200 {
            reserved.release();
            let text = self.redact(text.unwrap_or_default());
            return Err(Failure::of_status(status, &text, wait, &self.settings));
        }
        let text = text.map_err(|error| Failure::of_transport(&error, &self.url, &self.settings))?;
        let text = self.redact(text);
        let reply = wire::read(&text, wait, &self.settings)?;
        self.settle(&reply, reserved);
        wire::declined(reply).map_err(Failure::Final)
    }

    /// What becomes of a request that brought no response: billed at most if it may have arrived.
    fn unsent(&self, error: &ureq::Error, reserved: Reservation<'_>) -> Failure {
        if retry::never_arrived(error) {
            reserved.release();
        }
        Failure::of_transport(error, &self.url, &self.settings)
    }

    fn settle(&self, reply: &Reply, reserved: Reservation<'_>) {
        self.replies.fetch_add(1, Ordering::Relaxed);
        if let (Some(prompt), Some(completion)) = (reply.prompt_tokens, reply.completion_tokens) {
            reserved.settle(Need { prompt, completion });
        }
    }

    /// The text without the API key, should the endpoint echo it.
    fn redact(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text,
        }
    }
}

/// A response, read to its end.
struct Response {
    status: u16,
    /// How long the endpoint asks to wait.
    wait: Option<Duration>,
    text: Result<String, ureq::Error>,
}

impl Response {
    fn read(mut response: ureq::http::Response<ureq::Body>) -> Self {
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(retry_after);
        let bytes = response.body_mut().with_config().limit(REPLY_LIMIT).read_to_vec();
        Self { status, wait, text: bytes.map(text_of) }
    }
}

/// The text of a body. JSON is UTF-8; where it is not, bytes above 127 that never come together as UTF-8 are Latin-1, and
/// other damage is marked.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        let marked = String::from_utf8_lossy(&bytes);
        let damaged_only = marked.chars().all(|c| c.is_ascii() || c == char::REPLACEMENT_CHARACTER);
        if damaged_only { bytes.iter().map(|b| char::from(*b)).collect() } else { marked.into_owned() }
    })
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("settings", &self.settings).field("usage", &self.usage()).finish()
    }
}
