//! The attacks, one per file.

mod aos;
mod direct;

pub use aos::{Aos, Optimiser};
pub use direct::Direct;
