//! The attacks, one per file.

mod aos;
mod direct;
mod ept;

pub use aos::{Aos, Optimiser};
pub use direct::Direct;
pub use ept::{Ept, PathUnit};
