//! Programs that behave, programs that do not, and the benchmark they are for.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod honest;
