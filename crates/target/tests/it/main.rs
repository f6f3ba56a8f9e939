//! A local checkpoint as a target: what it answers does not depend on the company, and each ability does what it says. Endpoints as
//! targets and helpers: what is said, thought and left unsaid.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod local;
mod remote;
// The client's tests look at more of it.
#[allow(dead_code)]
#[path = "../../../client/tests/it/server.rs"]
mod server;
mod watched;
