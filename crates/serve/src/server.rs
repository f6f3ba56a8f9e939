//! A server: it listens, takes connections, and lets what is under way end when it is told to stop.

use crate::connection::Waits;
use crate::state::{Settings, State};
use crate::{ServeError, Served, connection, routes};
use mosa_core::Interrupt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// Connections that may wait to be taken, as far as the system allows it.
const CROWD: u32 = 4096;

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
    let state = Arc::new(State::new(models, settings));
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
