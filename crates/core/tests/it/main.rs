//! Laws of the canvas, the window and the random streams.

mod canvas;
mod rng;
mod window;
