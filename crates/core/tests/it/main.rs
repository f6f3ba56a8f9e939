//! Laws of the canvas, the window and the random streams.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod canvas;
mod interrupt;
mod message;
mod rng;
mod stats;
mod window;
