//! A connection: as many requests as its client sends, and an end at which no answer is lost.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

/// How long bytes are still taken from a client that has its last answer: in all, and without any.
const LAST: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_secs(2);

/// How long a client is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Waits {
    /// For the whole head of a request.
    pub head: Duration,
    /// For it to take a byte of what is said to it.
    pub stall: Duration,
}

/// Serves a connection until it ends. Once `stop` changes, the answer under way is its last one.
pub(crate) async fn served(stream: TcpStream, router: Router, mut stop: watch::Receiver<()>, waits: Waits) {
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |request| Box::pin(service.call(request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(waits.head)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Patient { stream, stall: waits.stall, stalled: None }), service);
    let ended = {
        let (mut asked, mut told) = (pin!(stop.changed()), false);
        poll_fn(|cx| {
            if !told && asked.as_mut().poll(cx).is_ready() {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        })
        .await
    };
    drop(stop);
    // A connection that breaks is its client's affair, and who sent no request waits for no answer.
    if ended.is_err_and(|error| error.is_timeout()) {
        return;
    }
    let _ = timeout(LAST, rest(connection.into_parts().io.into_inner().stream)).await;
}

/// Ends a connection from this side and takes what its client still sends: to close it with bytes unread would take back the
/// answer that says why.
async fn rest(mut stream: TcpStream) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
    let mut taken = vec![0; 16 * 1024];
    while let Ok(there) = timeout(QUIET, stream.readable()).await {
        there?;
        match stream.try_read(&mut taken) {
            Ok(0) => break,
            Ok(_) => {}
            Err(none) if none.kind() == io::ErrorKind::WouldBlock => {}
            Err(broken) => return Err(broken),
        }
    }
    Ok(())
}

/// A stream whose reader may be slow, but not stop.
struct Patient {
    stream: TcpStream,
    /// How long not one byte may be taken.
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What became of a write.
    fn wrote(&mut self, wrote: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.stall)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wrote(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
