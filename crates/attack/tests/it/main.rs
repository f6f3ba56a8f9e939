//! The laws of attacks: control flow, query counts and stopping rules with scripted replies, budgets, kill and resume.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod aos;
mod direct;
mod ept;
mod script;
