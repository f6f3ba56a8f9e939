//! The client against a server that misbehaves.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod endpoint;
mod interrupt;
mod server;
