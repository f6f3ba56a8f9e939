//! What a server knows, and what it does with a connection.

use crate::connection::Waits;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::reply::Way;
use crate::served::{Models, One};
use crate::stream::{Head, Outcome};
use crate::{Fault, ServeError, Served, connection, routes};
use mosa_core::Interrupt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

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

/// Connections that may wait to be taken, as far as the system allows it.
const CROWD: u32 = 4096;

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

/// Serves until `stop` is asked for; `listening` is told the address once it listens.
///
/// # Errors
/// [`ServeError`] if it cannot listen, or the system has no threads for it.
pub fn serve(
    models: Vec<Served>,
    settings: Settings,
    stop: &Interrupt,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(settings.running + 8)
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let queue = Queue::new(settings.running, settings.waiting);
    let state = Arc::new(State {
        models: Models::new(models),
        queue,
        metrics: Metrics::new(),
        answered: AtomicU64::new(0),
        born: now(),
        settings,
    });
    let served = runtime.block_on(async {
        let addr = state.settings.addr;
        let listener = listening_at(addr).map_err(|source| ServeError::Listen { addr, source })?;
        listening(listener.local_addr().map_err(|source| ServeError::Listen { addr, source })?);
        accept(&state, listener, stop).await;
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

/// Listens at an address, at once also where a server before this one left connections behind.
fn listening_at(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows it would let two servers have one address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(CROWD)
}

/// Takes connections until a stop is asked for, and then lets what is under way end.
async fn accept(state: &Arc<State>, listener: TcpListener, stop: &Interrupt) {
    let router = routes::router(Arc::clone(state));
    let (stopping, open) = watch::channel(());
    let stopped = stopped(stop);
    tokio::pin!(stopped);
    loop {
        let stream = tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Too many open files, most likely: those that are there go on, and who comes waits until one of them ends.
                Err(_) => {
                    state.metrics.untaken.inc();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        // Who takes not a byte of an answer for as long as one may take is gone.
        let waits = Waits { head: state.settings.head, stall: state.settings.timeout };
        let served = connection::served(stream, router.clone(), open.clone(), waits);
        let state = Arc::clone(state);
        state.metrics.connections.inc();
        tokio::spawn(async move {
            served.await;
            state.metrics.connections.dec();
        });
    }
    drop((listener, open));
    let _ = stopping.send(());
    tokio::select! {
        () = stopping.closed() => {}
        () = tokio::time::sleep(state.settings.grace) => {}
    }
}

/// Until a stop is asked for, by the program or by the system.
async fn stopped(stop: &Interrupt) {
    let asked = async {
        while !stop.asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = asked => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
