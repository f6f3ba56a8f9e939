//! An OpenAI-compatible server over runtimes.
//!
//! ```text
//! connection -> routes (key, size, JSON) -> Asked (every field, or its name in an error) -> Plan (sampler, defences)
//!            -> Queue (429 if full) -> a worker's Runtime::followed -> Said -> one response, or events as it grows
//! ```
//!
//! Rows that share a worker take turns, each in a pass of its own, so an answer has the bytes it has alone. A reader's slowness
//! costs nothing but their own connection: what is kept for them is the latest canvas, and who goes away frees
//! their row within a step.

mod answer;
mod asked;
mod completing;
mod connection;
mod fault;
mod fields;
mod follow;
mod metrics;
mod playground;
mod queue;
mod reply;
mod routes;
mod score;
mod scores;
mod served;
mod server;
mod spelled;
mod state;
mod stream;
mod words;

pub use asked::Knobs;
pub use fault::Fault;
pub use served::{Sampler, Served};
pub use server::serve;
pub use state::Settings;

use std::net::SocketAddr;

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {addr}: {source}; give another --addr, or end who listens there")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system has no threads left.
    #[error("cannot start the server's threads: {0}")]
    Threads(std::io::Error),
}
