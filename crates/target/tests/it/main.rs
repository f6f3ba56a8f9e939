//! A local checkpoint as a target: what it answers does not depend on the company, and each ability does what it says.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod local;
